using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>sys/stat.h. statx alone is used: its structure is the same on every architecture.</summary>
[CHeader("sys/stat.h")]
internal static partial class LibC
{
    internal const ushort S_IFMT = 0xF000;
    internal const ushort S_IFSOCK = 0xC000;
    internal const ushort S_IFLNK = 0xA000;
    internal const ushort S_IFREG = 0x8000;
    internal const ushort S_IFBLK = 0x6000;
    internal const ushort S_IFDIR = 0x4000;
    internal const ushort S_IFCHR = 0x2000;
    internal const ushort S_IFIFO = 0x1000;

    internal const uint STATX_BASIC_STATS = 0x7FF;
    internal const uint STATX_DIOALIGN = 0x2000;

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8, EntryPoint = "statx")]
    internal static unsafe partial int statx_path(int dirfd, string pathname, int flags, uint mask, statx* statxbuf);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8, EntryPoint = "statx")]
    internal static unsafe partial int statx_handle(
        SafeHandle dirfd,
        string pathname,
        int flags,
        uint mask,
        statx* statxbuf
    );

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int chmod(string pathname, uint mode);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int fchmod(SafeHandle fd, uint mode);
}
