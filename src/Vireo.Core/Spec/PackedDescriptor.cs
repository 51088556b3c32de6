using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>A descriptor of a packed virtqueue, <c>struct vring_packed_desc</c> (VIRTIO 1.4 §2.8.13).</summary>
[StructLayout(LayoutKind.Sequential)]
[CTwin("struct vring_packed_desc", "linux/virtio_ring.h")]
public struct PackedDescriptor
{
    /// <summary>Guest address of the buffer, or of the indirect table.</summary>
    [CField("addr")]
    public Le64 Address;

    /// <summary>Length in bytes.</summary>
    [CField("len")]
    public Le32 Length;

    /// <summary>Buffer id.</summary>
    [CField("id")]
    public Le16 Id;

    /// <summary>Of <see cref="DescriptorFlags"/>.</summary>
    [CField("flags")]
    public Le16 Flags;
}
