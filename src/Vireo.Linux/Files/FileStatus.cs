using System.Runtime.InteropServices;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>What statx says about an open file or a path, read once.</summary>
public sealed class FileStatus
{
    private const int PermissionBits = 0xFFF;

    private FileStatus(statx source)
    {
        Kind = KindOf(source.stx_mode);
        Permissions = source.stx_mode & PermissionBits;
        SizeBytes = checked((long)source.stx_size);
        AllocatedBytes = checked((long)source.stx_blocks * 512);
        OwnerId = source.stx_uid;
        GroupId = source.stx_gid;
        Inode = source.stx_ino;
        Device = ((ulong)source.stx_dev_major << 32) | source.stx_dev_minor;
        RepresentedDevice = ((ulong)source.stx_rdev_major << 32) | source.stx_rdev_minor;
        LinkCount = source.stx_nlink;
        if ((source.stx_mask & LibC.STATX_DIOALIGN) != 0)
        {
            DirectMemoryAlignmentBytes = checked((int)source.stx_dio_mem_align);
            DirectOffsetAlignmentBytes = checked((int)source.stx_dio_offset_align);
        }
    }

    /// <summary>What kind of object it is.</summary>
    public DescriptorKind Kind { get; }

    /// <summary>The permission bits, 0 to 07777 (octal).</summary>
    public int Permissions { get; }

    /// <summary>Length in bytes; 0 for devices.</summary>
    public long SizeBytes { get; }

    /// <summary>Bytes that occupy storage; less than the size where the file has holes.</summary>
    public long AllocatedBytes { get; }

    /// <summary>User that owns the file.</summary>
    public uint OwnerId { get; }

    /// <summary>Group that owns the file.</summary>
    public uint GroupId { get; }

    /// <summary>Inode number, unique together with <see cref="Device"/>.</summary>
    public ulong Inode { get; }

    /// <summary>The file system the file lies in: major number in the upper half, minor in the lower.</summary>
    public ulong Device { get; }

    /// <summary>For a device file, the device it stands for, as in <see cref="Device"/>; else 0.</summary>
    public ulong RepresentedDevice { get; }

    /// <summary>Names the file has; 0 for one that was unlinked.</summary>
    public uint LinkCount { get; }

    /// <summary>
    /// Alignment in bytes that O_DIRECT asks of memory; 0 when the file does not take O_DIRECT; null when the kernel or the
    /// file system does not say (kernels before 6.1).
    /// </summary>
    public int? DirectMemoryAlignmentBytes { get; }

    /// <summary>Alignment in bytes that O_DIRECT asks of offsets and lengths; 0 and null as for memory.</summary>
    public int? DirectOffsetAlignmentBytes { get; }

    /// <summary>Reads the status of an open descriptor.</summary>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    // SAFETY: the kernel fills the whole of a structure of ours whose size the Abi tests prove.
    public static unsafe FileStatus Of(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        statx buffer;
        int result = LibC.statx_handle(handle, "", LibC.AT_EMPTY_PATH, StatusMask, &buffer);
        LinuxException.ThrowIfNegative(result, "statx");
        return new FileStatus(buffer);
    }

    /// <summary>Reads the status of what a path names.</summary>
    /// <param name="path">The path, relative to the working directory if not absolute.</param>
    /// <param name="followLink">Whether a symbolic link at its end is followed.</param>
    /// <returns>The status, or null when nothing has that name.</returns>
    /// <exception cref="LinuxException">The kernel refused for another reason.</exception>
    // SAFETY: as in Of.
    public static unsafe FileStatus? TryGet(string path, bool followLink = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        statx buffer;
        int flags = followLink ? 0 : LibC.AT_SYMLINK_NOFOLLOW;
        if (LibC.statx_path(LibC.AT_FDCWD, path, flags, StatusMask, &buffer) == 0)
        {
            return new FileStatus(buffer);
        }

        Errno error = LinuxException.LastError;
        return error is Errno.ENOENT or Errno.ENOTDIR ? null : throw new LinuxException(error, "statx", path);
    }

    private const uint StatusMask = LibC.STATX_BASIC_STATS | LibC.STATX_DIOALIGN;

    private static DescriptorKind KindOf(ushort mode) =>
        (mode & LibC.S_IFMT) switch
        {
            LibC.S_IFREG => DescriptorKind.RegularFile,
            LibC.S_IFBLK => DescriptorKind.BlockDevice,
            LibC.S_IFCHR => DescriptorKind.CharacterDevice,
            LibC.S_IFDIR => DescriptorKind.Directory,
            LibC.S_IFIFO => DescriptorKind.Pipe,
            LibC.S_IFSOCK => DescriptorKind.Socket,
            LibC.S_IFLNK => DescriptorKind.SymbolicLink,
            _ => DescriptorKind.Anonymous,
        };
}
