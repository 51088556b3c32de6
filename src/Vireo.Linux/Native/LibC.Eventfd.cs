using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/eventfd.h.</summary>
[CHeader("sys/eventfd.h")]
internal static partial class LibC
{
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EFD_NONBLOCK = 0x800;
    internal const int EFD_SEMAPHORE = 1;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial SafeFileHandle eventfd(uint initval, int flags);
}
