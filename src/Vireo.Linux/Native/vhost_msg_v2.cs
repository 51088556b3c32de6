using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_msg_v2</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct vhost_msg_v2
{
    [FieldOffset(0)]
    internal uint type;

    [FieldOffset(8)]
    [CField("iotlb.iova")]
    internal ulong iova;

    [FieldOffset(16)]
    [CField("iotlb.size")]
    internal ulong size;

    [FieldOffset(24)]
    [CField("iotlb.uaddr")]
    internal ulong uaddr;

    [FieldOffset(32)]
    [CField("iotlb.perm")]
    internal byte perm;

    [FieldOffset(33)]
    [CField("iotlb.type")]
    internal byte iotlb_type;
}
