using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>A descriptor of a split virtqueue, <c>struct vring_desc</c> (VIRTIO 1.4 §2.7.5).</summary>
[StructLayout(LayoutKind.Sequential)]
[CTwin("struct vring_desc", "linux/virtio_ring.h")]
public struct SplitDescriptor
{
    /// <summary>Guest address of the buffer, or of the indirect table.</summary>
    [CField("addr")]
    public Le64 Address;

    /// <summary>Length in bytes.</summary>
    [CField("len")]
    public Le32 Length;

    /// <summary>Of <see cref="DescriptorFlags"/>.</summary>
    [CField("flags")]
    public Le16 Flags;

    /// <summary>Index of the next descriptor, when <see cref="DescriptorFlags.Next"/> is set.</summary>
    [CField("next")]
    public Le16 Next;
}
