using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_dev_response</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 152)]
internal struct vduse_dev_response
{
    [FieldOffset(0)]
    internal uint request_id;

    [FieldOffset(4)]
    internal uint result;

    [FieldOffset(24)]
    [CField("vq_state.index")]
    internal uint vq_index;

    [FieldOffset(28)]
    [CField("vq_state.split.avail_index")]
    internal ushort split_avail_index;

    [FieldOffset(28)]
    [CField("vq_state.packed")]
    internal vduse_vq_state_packed packed;
}
