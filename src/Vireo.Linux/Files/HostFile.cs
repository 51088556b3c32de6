using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>Files and block devices of the host, by their descriptors.</summary>
/// <remarks>
/// What is set-up throws <see cref="LinuxException"/>. What serves requests returns what the system call returned, or a negated
/// <see cref="Errno"/>, the way completions of io_uring do: errors of a disk are data for its guest. Any thread.
/// </remarks>
public static class HostFile
{
    /// <summary>Vectors one call takes (UIO_MAXIOV).</summary>
    public const int VectorsMax = 1024;

    /// <summary>Who may do what with a file that is made, less the process' umask.</summary>
    private const uint DefaultMode = 0x1B6;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The path, relative to the working directory if not absolute.</param>
    /// <param name="flags">How.</param>
    /// <param name="mode">Permission bits of a file that is made, 0 to 07777 (octal), less the umask; null for 0666.</param>
    /// <returns>The descriptor, the caller's.</returns>
    /// <exception cref="LinuxException">
    /// ENOENT, EACCES, EEXIST, EISDIR and so on; EINVAL also when the file system does not take O_DIRECT.
    /// </exception>
    public static SafeFileHandle Open(string path, OpenFlags flags, int? mode = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        uint permissions = (uint?)mode ?? DefaultMode;
        while (true)
        {
            SafeFileHandle handle = LibC.openat(LibC.AT_FDCWD, path, OpenFlagValues.Of(flags), permissions);
            if (!handle.IsInvalid || LinuxException.LastError != Errno.EINTR)
            {
                return LinuxException.ThrowIfInvalid(handle, nameof(LibC.openat), path);
            }

            handle.Dispose();
        }
    }

    /// <summary>Length in bytes of a file or of a block device.</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static long SizeOf(SafeFileHandle file)
    {
        var status = FileStatus.Of(file);
        return status.Kind == DescriptorKind.BlockDevice ? BlockDeviceLimits.SizeOf(file) : status.SizeBytes;
    }

    /// <summary>Sets the length of a file; what is added reads as zeros.</summary>
    /// <param name="file">The file, open for writing. It stays the caller's.</param>
    /// <param name="sizeBytes">The new length, from 0.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static void Resize(SafeFileHandle file, long sizeBytes) =>
        LinuxException.ThrowIfNegative(LibC.ftruncate(file, sizeBytes), nameof(LibC.ftruncate));

    /// <summary>Reads into several pieces of memory.</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="buffers">Where the bytes go, 1 to 1024 pieces.</param>
    /// <param name="flags">How.</param>
    /// <returns>Bytes read, 0 at the end of the file, or a negated <see cref="Errno"/> (EINVAL: offset below 0).</returns>
    // SAFETY: the list is pinned during the call; the kernel checks every address in it and answers EFAULT.
    public static unsafe long Read(
        SafeFileHandle file,
        long offset,
        ReadOnlySpan<IoVector> buffers,
        ReadWriteFlags flags = ReadWriteFlags.None
    )
    {
        if (offset < 0)
        {
            // The kernel takes -1 for the descriptor's own position, and would read or write somewhere.
            return -(long)Errno.EINVAL;
        }

        fixed (IoVector* vectors = buffers)
        {
            while (true)
            {
                nint result = LibC.preadv2(file, vectors, buffers.Length, offset, (int)flags);
                if (!IsInterrupted(result))
                {
                    return ResultOf(result);
                }
            }
        }
    }

    /// <summary>Writes from several pieces of memory.</summary>
    /// <param name="file">The file, open for writing. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="buffers">The bytes, 1 to 1024 pieces.</param>
    /// <param name="flags">How.</param>
    /// <returns>Bytes written, perhaps fewer than asked, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: as for Read.
    public static unsafe long Write(
        SafeFileHandle file,
        long offset,
        ReadOnlySpan<IoVector> buffers,
        ReadWriteFlags flags = ReadWriteFlags.None
    )
    {
        if (offset < 0)
        {
            // The kernel takes -1 for the descriptor's own position, and would read or write somewhere.
            return -(long)Errno.EINVAL;
        }

        fixed (IoVector* vectors = buffers)
        {
            while (true)
            {
                nint result = LibC.pwritev2(file, vectors, buffers.Length, offset, (int)flags);
                if (!IsInterrupted(result))
                {
                    return ResultOf(result);
                }
            }
        }
    }

    /// <summary>Reads bytes into managed memory.</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="destination">Where they go.</param>
    /// <returns>Bytes read, 0 at the end of the file, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: the memory is pinned during the call.
    public static unsafe long Read(SafeFileHandle file, long offset, Span<byte> destination)
    {
        fixed (byte* bytes = destination)
        {
            return Read(file, offset, [new IoVector((nint)bytes, (nuint)destination.Length)]);
        }
    }

    /// <summary>Writes bytes from managed memory.</summary>
    /// <param name="file">The file, open for writing. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>Bytes written, perhaps fewer than asked, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: the memory is pinned during the call.
    public static unsafe long Write(SafeFileHandle file, long offset, ReadOnlySpan<byte> source)
    {
        fixed (byte* bytes = source)
        {
            return Write(file, offset, [new IoVector((nint)bytes, (nuint)source.Length)]);
        }
    }

    /// <summary>Brings written data to the disk. Waits.</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="isDataOnly">Whether metadata that are not needed to find the data may stay behind (fdatasync).</param>
    /// <returns>0, or a negated <see cref="Errno"/>; data written before an error may be lost for good.</returns>
    public static long Sync(SafeFileHandle file, bool isDataOnly = true)
    {
        while (true)
        {
            int result = isDataOnly ? LibC.fdatasync(file) : LibC.fsync(file);
            if (!IsInterrupted(result))
            {
                return ResultOf(result);
            }
        }
    }

    /// <summary>Starts to write a range of the page cache out, without waiting and without any promise (sync_file_range).</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="length">Bytes; 0 to the end of the file.</param>
    /// <returns>0, or a negated <see cref="Errno"/>.</returns>
    public static long StartWriteback(SafeFileHandle file, long offset, long length) =>
        ResultOf(LibC.sync_file_range(file, offset, length, LibC.SYNC_FILE_RANGE_WRITE));

    /// <summary>Allocates, zeroes or frees a range of a file, or of a block device that can (fallocate).</summary>
    /// <param name="file">The file, open for writing. It stays the caller's.</param>
    /// <param name="mode">What to do.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="length">Bytes, from 1.</param>
    /// <returns>0, or a negated <see cref="Errno"/>: EOPNOTSUPP when the file system or the device cannot.</returns>
    public static long Allocate(SafeFileHandle file, AllocateMode mode, long offset, long length)
    {
        while (true)
        {
            int result = LibC.fallocate(file, (int)mode, offset, length);
            if (!IsInterrupted(result))
            {
                return ResultOf(result);
            }
        }
    }

    /// <summary>Finds where data begin.</summary>
    /// <param name="file">The file. It stays the caller's; its position moves.</param>
    /// <param name="offset">Where to look from, from 0.</param>
    /// <returns>First byte at or behind it that is not in a hole, or null when only a hole or nothing follows.</returns>
    /// <exception cref="LinuxException">The kernel refused. A file system without holes answers with what has been asked.</exception>
    public static long? FindData(SafeFileHandle file, long offset) => Find(file, offset, LibC.SEEK_DATA);

    /// <summary>Finds where a hole begins; the end of the file counts as one.</summary>
    /// <param name="file">The file. It stays the caller's; its position moves.</param>
    /// <param name="offset">Where to look from, from 0.</param>
    /// <returns>First byte of it, or null when the offset is at or behind the end.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static long? FindHole(SafeFileHandle file, long offset) => Find(file, offset, LibC.SEEK_HOLE);

    /// <summary>Locks a range of a file against other openings of it, in this process or another (OFD locks).</summary>
    /// <remarks>The lock belongs to the opening: closing one of two descriptors of the same file does not lose it.</remarks>
    /// <param name="file">The file; open for reading for a shared lock, for writing for an exclusive one. The caller's.</param>
    /// <param name="kind">Which lock; None unlocks.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="length">Bytes; 0 to the end, however far the file grows.</param>
    /// <returns>False when somebody else holds a lock that stands against it.</returns>
    /// <exception cref="LinuxException">EBADF: not open for it; ENOLCK and others: the file system cannot.</exception>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public static unsafe bool TryLock(SafeHandle file, LockKind kind, long offset, long length)
    {
        flock range = new()
        {
            l_type = (short)kind,
            l_whence = LibC.SEEK_SET,
            l_start = offset,
            l_len = length,
        };
        while (LibC.fcntl_lock(file, LibC.F_OFD_SETLK, &range) < 0)
        {
            Errno error = LinuxException.LastError;
            if (error is Errno.EAGAIN or Errno.EACCES)
            {
                return false;
            }

            if (error != Errno.EINTR)
            {
                throw new LinuxException(error, "fcntl", "F_OFD_SETLK");
            }
        }

        return true;
    }

    /// <summary>Whether another opening of a file has any lock in a range.</summary>
    /// <param name="file">The file, open for anything. It stays the caller's.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="length">Bytes; 0 to the end, however far the file grows.</param>
    /// <exception cref="LinuxException">The file system cannot.</exception>
    // SAFETY: the kernel reads and writes a local structure whose layout the Abi tests prove.
    public static unsafe bool IsLockedByAnother(SafeHandle file, long offset, long length)
    {
        flock range = new()
        {
            l_type = (short)LockKind.Exclusive,
            l_whence = LibC.SEEK_SET,
            l_start = offset,
            l_len = length,
        };
        LinuxException.ThrowIfNegative(LibC.fcntl_lock(file, LibC.F_OFD_GETLK, &range), "fcntl", "F_OFD_GETLK");
        return range.l_type != LibC.F_UNLCK;
    }

    private static long? Find(SafeFileHandle file, long offset, int whence)
    {
        long result = LibC.lseek(file, offset, whence);
        if (result >= 0)
        {
            return result;
        }

        Errno error = LinuxException.LastError;
        return error == Errno.ENXIO ? null : throw new LinuxException(error, nameof(LibC.lseek));
    }

    private static bool IsInterrupted(nint result) => result < 0 && LinuxException.LastError == Errno.EINTR;

    private static long ResultOf(nint result) => result < 0 ? -(long)LinuxException.LastError : result;
}
