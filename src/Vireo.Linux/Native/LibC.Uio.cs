using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/uio.h.</summary>
[CHeader("sys/uio.h")]
internal static partial class LibC
{
    internal const int RWF_HIPRI = 0x1;
    internal const int RWF_DSYNC = 0x2;
    internal const int RWF_SYNC = 0x4;
    internal const int RWF_NOWAIT = 0x8;

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint writev(SafeFileHandle fd, void* iov, int iovcnt);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint preadv2(SafeFileHandle fd, void* iov, int iovcnt, long offset, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint pwritev2(SafeFileHandle fd, void* iov, int iovcnt, long offset, int flags);
}
