using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct uffdio_copy</c>.</summary>
[CHeader("linux/userfaultfd.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct uffdio_copy
{
    internal ulong dst;
    internal ulong src;
    internal ulong len;
    internal ulong mode;
    internal long copy;
}
