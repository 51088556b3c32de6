using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct uffdio_register</c>.</summary>
[CHeader("linux/userfaultfd.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_register
{
    internal uffdio_range range;
    internal ulong mode;
    internal ulong ioctls;
}
