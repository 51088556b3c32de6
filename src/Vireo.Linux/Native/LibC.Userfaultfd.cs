using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>linux/userfaultfd.h and its system call, which the C library does not wrap.</summary>
[CHeader("linux/userfaultfd.h")]
[CHeader("sys/syscall.h")]
internal static partial class LibC
{
    internal const ulong UFFD_API = 0xaa;
    internal const ulong UFFD_FEATURE_MISSING_HUGETLBFS = 1 << 4;
    internal const ulong UFFD_FEATURE_MISSING_SHMEM = 1 << 5;
    internal const ulong UFFDIO_REGISTER_MODE_MISSING = 1;

    internal static readonly int SYS_userfaultfd =
        RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 323 : 282;

    internal static readonly uint UFFDIO_API = Ioctl.IoReadWrite<uffdio_api>((uint)UFFD_API, 0x3f);
    internal static readonly uint UFFDIO_REGISTER = Ioctl.IoReadWrite<uffdio_register>((uint)UFFD_API, 0);
    internal static readonly uint UFFDIO_UNREGISTER = Ioctl.IoRead<uffdio_range>((uint)UFFD_API, 1);
    internal static readonly uint UFFDIO_WAKE = Ioctl.IoRead<uffdio_range>((uint)UFFD_API, 2);
    internal static readonly uint UFFDIO_COPY = Ioctl.IoReadWrite<uffdio_copy>((uint)UFFD_API, 3);
    internal static readonly uint UFFDIO_POISON = Ioctl.IoReadWrite<uffdio_poison>((uint)UFFD_API, 8);

    internal static SafeFileHandle userfaultfd(int flags) => syscall_userfaultfd(SYS_userfaultfd, flags);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "syscall")]
    private static partial SafeFileHandle syscall_userfaultfd(nint number, nint flags);
}
