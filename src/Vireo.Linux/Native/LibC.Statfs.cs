using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>sys/vfs.h and linux/magic.h.</summary>
[CHeader("sys/vfs.h")]
[CHeader("linux/magic.h")]
internal static partial class LibC
{
    internal const long HUGETLBFS_MAGIC = 0x958458f6;
    internal const long TMPFS_MAGIC = 0x01021994;

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int fstatfs(SafeHandle fd, statfs* buf);
}
