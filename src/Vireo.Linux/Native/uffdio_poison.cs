using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct uffdio_poison</c>.</summary>
[CHeader("linux/userfaultfd.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_poison
{
    internal uffdio_range range;
    internal ulong mode;
    internal long updated;
}
