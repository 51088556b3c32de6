using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>Memory that has a descriptor and no name (memfd): it can be mapped, sealed and sent to other processes.</summary>
public sealed class MemoryFile : IDisposable
{
    private MemoryFile(SafeFileHandle handle, long size)
    {
        Handle = handle;
        Size = size;
    }

    /// <summary>The descriptor, to be mapped or sent. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Length in bytes.</summary>
    public long Size { get; private set; }

    /// <summary>The seals the file has by now.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public MemorySeals Seals
    {
        get
        {
            int seals = LibC.fcntl(Handle, LibC.F_GET_SEALS, 0);
            LinuxException.ThrowIfNegative(seals, "fcntl", "F_GET_SEALS");
            return (MemorySeals)seals;
        }
    }

    /// <summary>Makes a file of zeros.</summary>
    /// <param name="name">Shown in /proc; need not be unique. At most 249 bytes of UTF-8.</param>
    /// <param name="size">Length in bytes, from 0; with huge pages a multiple of their size.</param>
    /// <param name="pages">Which pages it consists of.</param>
    /// <exception cref="LinuxException">
    /// EINVAL: the size does not fit the pages or the name is too long; ENOMEM: not enough memory; ENODEV: no such huge pages.
    /// </exception>
    public static MemoryFile Create(string name, long size, HugePageSize pages = HugePageSize.None)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        uint flags = LibC.MFD_CLOEXEC | LibC.MFD_ALLOW_SEALING | FlagsOf(pages);
        SafeFileHandle handle = LinuxException.ThrowIfInvalid(
            LibC.memfd_create(name, flags),
            nameof(LibC.memfd_create),
            name
        );
        try
        {
            MemoryFile file = new(handle, 0);
            file.Resize(size);
            return file;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Changes the length. Mapped pages beyond a smaller one raise SIGBUS when touched.</summary>
    /// <param name="size">The new length in bytes, from 0.</param>
    /// <exception cref="LinuxException">EPERM: sealed against it; EINVAL or ENOMEM as in Create.</exception>
    public void Resize(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        LinuxException.ThrowIfNegative(LibC.ftruncate(Handle, size), nameof(LibC.ftruncate));
        Size = size;
    }

    /// <summary>Forbids things for ever, for everybody who has the file.</summary>
    /// <param name="seals">What to forbid, in addition to what is.</param>
    /// <exception cref="LinuxException">EPERM: sealed against seals; EBUSY: Write while mapped writable.</exception>
    public void Seal(MemorySeals seals) => Seal(Handle, seals);

    /// <summary>Forbids things for ever on a memory file that came from elsewhere.</summary>
    /// <param name="handle">The file. It stays the caller's.</param>
    /// <param name="seals">What to forbid, in addition to what is.</param>
    /// <exception cref="LinuxException">EINVAL: not a memory file; EPERM and EBUSY as above.</exception>
    public static void Seal(SafeHandle handle, MemorySeals seals) =>
        LinuxException.ThrowIfNegative(LibC.fcntl(handle, LibC.F_ADD_SEALS, (nint)seals), "fcntl", "F_ADD_SEALS");

    /// <summary>Size in bytes of the pages a file is mapped by: huge for files of hugetlbfs, else the system's.</summary>
    /// <param name="handle">Any open file. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    // SAFETY: the kernel fills a structure of ours whose size the Abi tests prove.
    public static unsafe long PageSizeOf(SafeHandle handle)
    {
        statfs buffer;
        LinuxException.ThrowIfNegative(LibC.fstatfs(handle, &buffer), nameof(LibC.fstatfs));
        return buffer.f_type == LibC.HUGETLBFS_MAGIC ? buffer.f_bsize : Environment.SystemPageSize;
    }

    /// <summary>Closes the descriptor; the memory lives on as long as it is mapped or open elsewhere.</summary>
    public void Dispose() => Handle.Dispose();

    private static uint FlagsOf(HugePageSize pages) =>
        pages switch
        {
            HugePageSize.None => 0,
            HugePageSize.Default => LibC.MFD_HUGETLB,
            HugePageSize.TwoMebibytes => LibC.MFD_HUGETLB | LibC.MFD_HUGE_2MB,
            HugePageSize.OneGibibyte => LibC.MFD_HUGETLB | LibC.MFD_HUGE_1GB,
            _ => throw new ArgumentOutOfRangeException(nameof(pages)),
        };
}
