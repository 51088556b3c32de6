using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct uffdio_range</c>.</summary>
[CHeader("linux/userfaultfd.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_range
{
    internal ulong start;
    internal ulong len;
}
