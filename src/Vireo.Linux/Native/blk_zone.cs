using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct blk_zone</c>; numbers are sectors of 512 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct blk_zone
{
    internal ulong start;
    internal ulong len;
    internal ulong wp;
    internal byte type;
    internal byte cond;
    internal byte non_seq;
    internal byte reset;
    internal fixed byte resv[4];
    internal ulong capacity;
    internal fixed byte reserved[24];
}
