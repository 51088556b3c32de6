using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>An element of a split virtqueue's used ring, <c>struct vring_used_elem</c> (VIRTIO 1.4 §2.7.8).</summary>
[StructLayout(LayoutKind.Sequential)]
[CTwin("struct vring_used_elem", "linux/virtio_ring.h")]
public struct SplitUsedElement
{
    /// <summary>Index of the head of the used descriptor chain.</summary>
    [CField("id")]
    public Le32 Id;

    /// <summary>How many bytes the device wrote into the chain's writable part.</summary>
    [CField("len")]
    public Le32 Length;
}
