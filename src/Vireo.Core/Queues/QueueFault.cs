namespace Vireo.Core.Queues;

/// <summary>How a driver broke the rules of a ring; the queue retires at the first of these.</summary>
public enum QueueFault
{
    /// <summary>The ring is in order.</summary>
    None,

    /// <summary>More was made available than the ring has room for (VIRTIO 1.4 §2.7.6, §2.8.20).</summary>
    IndexJump,

    /// <summary>A head, a next field or a buffer id is not below the queue size (§2.7.5, §2.8.13).</summary>
    DescriptorOutsideTable,

    /// <summary>A chain has more descriptors than the queue, or loops (§2.7.5.3.1, §2.8.17).</summary>
    ChainTooLong,

    /// <summary>The buffers of a chain add up to 2^32 bytes or more (§2.7.5.2).</summary>
    ChainTooLarge,

    /// <summary>A device-readable descriptor follows a device-writable one (§2.7.4.2, §2.8.17).</summary>
    ReadableAfterWritable,

    /// <summary>An indirect table lies outside the driver's memory, or wraps.</summary>
    BadAddress,

    /// <summary>An indirect descriptor although INDIRECT_DESC was not negotiated (§2.7.5.3.1, §2.8.19).</summary>
    IndirectNotNegotiated,

    /// <summary>An indirect descriptor inside an indirect table, or in a list (§2.7.5.3.1, §2.8.19).</summary>
    IndirectNested,

    /// <summary>An indirect table that is empty or whose length is no multiple of 16 bytes (§2.7.5.3, §2.8.7).</summary>
    IndirectLength,

    /// <summary>Packed: a list goes on with a descriptor that was not made available (§2.8.17).</summary>
    ListIncomplete,

    /// <summary>The same head was made available again while the device still holds it.</summary>
    HeadInFlight,
}
