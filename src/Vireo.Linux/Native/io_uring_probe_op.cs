using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_probe_op</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct io_uring_probe_op
{
    internal byte op;
    internal byte resv;
    internal ushort flags;
    internal uint resv2;
}
