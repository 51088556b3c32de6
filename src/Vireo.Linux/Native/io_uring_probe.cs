using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_probe</c>; the operations follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct io_uring_probe
{
    internal byte last_op;
    internal byte ops_len;
    internal ushort resv;
    internal fixed uint resv2[3];
}
