using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/timerfd.h.</summary>
[CHeader("sys/timerfd.h")]
[CHeader("time.h")]
internal static partial class LibC
{
    internal const int CLOCK_MONOTONIC = 1;
    internal const int TFD_CLOEXEC = 0x80000;
    internal const int TFD_NONBLOCK = 0x800;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial SafeFileHandle timerfd_create(int clockid, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int timerfd_settime(
        SafeFileHandle fd,
        int flags,
        itimerspec* new_value,
        itimerspec* old_value
    );
}
