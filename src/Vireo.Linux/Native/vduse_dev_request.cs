using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_dev_request</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 152)]
internal struct vduse_dev_request
{
    [FieldOffset(0)]
    internal uint type;

    [FieldOffset(4)]
    internal uint request_id;

    [FieldOffset(24)]
    [CField("vq_state.index")]
    internal uint vq_index;

    [FieldOffset(24)]
    [CField("s.status")]
    internal byte status;

    [FieldOffset(24)]
    [CField("iova.start")]
    internal ulong iova_start;

    [FieldOffset(32)]
    [CField("iova.last")]
    internal ulong iova_last;
}
