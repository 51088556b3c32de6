using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct uffdio_api</c>.</summary>
[CHeader("linux/userfaultfd.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_api
{
    internal ulong api;
    internal ulong features;
    internal ulong ioctls;
}
