using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>fcntl.h. The flags that differ between architectures are in OpenFlagValues.</summary>
[CHeader("fcntl.h")]
internal static partial class LibC
{
    internal const int AT_FDCWD = -100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_CREAT = 0x40;
    internal const int O_EXCL = 0x80;
    internal const int O_NOCTTY = 0x100;
    internal const int O_TRUNC = 0x200;
    internal const int O_APPEND = 0x400;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_DSYNC = 0x1000;
    internal const int O_CLOEXEC = 0x80000;
    internal const int O_PATH = 0x200000;

    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int F_GETFD = 1;
    internal const int F_SETFD = 2;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int F_OFD_GETLK = 36;
    internal const int F_OFD_SETLK = 37;
    internal const int F_ADD_SEALS = 1033;
    internal const int F_GET_SEALS = 1034;
    internal const int FD_CLOEXEC = 1;

    internal const short F_RDLCK = 0;
    internal const short F_WRLCK = 1;
    internal const short F_UNLCK = 2;

    internal const uint SYNC_FILE_RANGE_WAIT_BEFORE = 1;
    internal const uint SYNC_FILE_RANGE_WRITE = 2;
    internal const uint SYNC_FILE_RANGE_WAIT_AFTER = 4;

    internal const int F_SEAL_SEAL = 0x1;
    internal const int F_SEAL_SHRINK = 0x2;
    internal const int F_SEAL_GROW = 0x4;
    internal const int F_SEAL_WRITE = 0x8;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int fcntl(SafeHandle fd, int cmd, nint arg);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "fcntl")]
    internal static partial SafeFileHandle fcntl_dup(SafeHandle fd, int cmd, nint arg);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial SafeFileHandle openat(int dirfd, string pathname, int flags, uint mode);

    /// <summary>For a number somebody else chose, before it is known to be open.</summary>
    [LibraryImport(Library, SetLastError = true, EntryPoint = "fcntl")]
    internal static partial int fcntl_number(int fd, int cmd, nint arg);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "fcntl")]
    internal static unsafe partial int fcntl_lock(SafeHandle fd, int cmd, flock* arg);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int sync_file_range(SafeFileHandle fd, long offset, long nbytes, uint flags);
}
