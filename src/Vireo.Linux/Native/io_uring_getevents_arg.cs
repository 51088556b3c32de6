using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_getevents_arg</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct io_uring_getevents_arg
{
    internal ulong sigmask;
    internal uint sigmask_sz;
    internal uint pad;
    internal ulong ts;
}
