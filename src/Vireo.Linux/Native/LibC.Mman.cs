using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/mman.h.</summary>
[CHeader("sys/mman.h")]
[CHeader("linux/memfd.h")]
internal static partial class LibC
{
    internal const int PROT_NONE = 0;
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int PROT_EXEC = 4;
    internal const int MAP_SHARED = 0x1;
    internal const int MAP_PRIVATE = 0x2;
    internal const int MAP_FIXED = 0x10;
    internal const int MAP_ANONYMOUS = 0x20;
    internal const int MAP_NORESERVE = 0x4000;
    internal const int MAP_POPULATE = 0x8000;
    internal const int MAP_HUGETLB = 0x40000;

    internal const int MADV_NORMAL = 0;
    internal const int MADV_RANDOM = 1;
    internal const int MADV_SEQUENTIAL = 2;
    internal const int MADV_WILLNEED = 3;
    internal const int MADV_DONTNEED = 4;
    internal const int MADV_FREE = 8;
    internal const int MADV_REMOVE = 9;
    internal const int MADV_DONTFORK = 10;
    internal const int MADV_HUGEPAGE = 14;
    internal const int MADV_NOHUGEPAGE = 15;
    internal const int MADV_DONTDUMP = 16;
    internal const int MADV_POPULATE_READ = 22;
    internal const int MADV_POPULATE_WRITE = 23;

    internal const uint MFD_CLOEXEC = 0x1;
    internal const uint MFD_ALLOW_SEALING = 0x2;
    internal const uint MFD_HUGETLB = 0x4;
    internal const uint MFD_HUGE_2MB = 21u << 26;
    internal const uint MFD_HUGE_1GB = 30u << 26;

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial SafeFileHandle memfd_create(string name, uint flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint mmap(nint addr, nuint length, int prot, int flags, SafeHandle fd, long offset);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "mmap")]
    internal static partial nint mmap_anonymous(nint addr, nuint length, int prot, int flags, int fd, long offset);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int munmap(nint addr, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int madvise(nint addr, nuint length, int advice);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int mprotect(nint addr, nuint length, int prot);
}
