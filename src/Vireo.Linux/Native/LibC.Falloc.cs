using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>linux/falloc.h.</summary>
[CHeader("linux/falloc.h")]
internal static partial class LibC
{
    internal const int FALLOC_FL_KEEP_SIZE = 0x1;
    internal const int FALLOC_FL_PUNCH_HOLE = 0x2;
    internal const int FALLOC_FL_ZERO_RANGE = 0x10;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int fallocate(SafeFileHandle fd, int mode, long offset, long len);
}
