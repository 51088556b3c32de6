using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>Event suppression of a packed virtqueue, <c>struct vring_packed_desc_event</c> (VIRTIO 1.4 §2.8.14).</summary>
[StructLayout(LayoutKind.Sequential)]
[CTwin("struct vring_packed_desc_event", "linux/virtio_ring.h")]
public struct PackedEventSuppression
{
    /// <summary>Bits 0 to 14: ring offset; bit 15: wrap counter. Meaningful in mode <see cref="Descriptor"/>.</summary>
    [CField("off_wrap")]
    public Le16 OffsetAndWrap;

    /// <summary>Bits 0 and 1: <see cref="Enable"/>, <see cref="Disable"/> or <see cref="Descriptor"/>.</summary>
    [CField("flags")]
    public Le16 Flags;

    /// <summary>Notifications are wanted.</summary>
    public const ushort Enable = 0;

    /// <summary>Notifications are not wanted.</summary>
    public const ushort Disable = 1;

    /// <summary>A notification is wanted for one descriptor (needs EVENT_IDX).</summary>
    public const ushort Descriptor = 2;
}
