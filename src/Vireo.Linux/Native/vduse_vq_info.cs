using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_vq_info</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 48)]
internal struct vduse_vq_info
{
    [FieldOffset(0)]
    internal uint index;

    [FieldOffset(4)]
    internal uint num;

    [FieldOffset(8)]
    internal ulong desc_addr;

    [FieldOffset(16)]
    internal ulong driver_addr;

    [FieldOffset(24)]
    internal ulong device_addr;

    [FieldOffset(32)]
    [CField("split.avail_index")]
    internal ushort split_avail_index;

    [FieldOffset(32)]
    internal vduse_vq_state_packed packed;

    [FieldOffset(40)]
    internal byte ready;
}
