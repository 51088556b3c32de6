namespace Vireo.Core.Queues;

/// <summary>How a driver broke the rules of a ring; the queue retires at the first of these.</summary>
public enum QueueFault
{
    /// <summary>The ring is in order.</summary>
    None,

    /// <summary>The available index moved by more than the queue size (VIRTIO 1.4 §2.7.13.3).</summary>
    IndexJump,

    /// <summary>A head, a next field or a buffer id names a descriptor outside the table (§2.7.5).</summary>
    DescriptorOutsideTable,

    /// <summary>A chain has more descriptors than the queue, or loops (§2.7.5.3.1).</summary>
    ChainTooLong,

    /// <summary>The buffers of a chain add up to 2^32 bytes or more (§2.7.4.1, §2.7.5).</summary>
    ChainTooLarge,

    /// <summary>A device-readable descriptor follows a device-writable one (§2.7.4.2).</summary>
    ReadableAfterWritable,

    /// <summary>A buffer lies outside the driver's memory, wraps, or may not be used that way.</summary>
    BadAddress,

    /// <summary>An indirect descriptor although INDIRECT_DESC was not negotiated (§2.7.5.3.1).</summary>
    IndirectNotNegotiated,

    /// <summary>An indirect descriptor inside an indirect table, or with a next flag (§2.7.5.3.1).</summary>
    IndirectNested,

    /// <summary>An indirect table that is empty or whose length is no multiple of 16 bytes (§2.7.5.3.2).</summary>
    IndirectLength,

    /// <summary>A chain without any descriptor that could be used, or a buffer of no bytes at all.</summary>
    EmptyChain,

    /// <summary>The same head was made available again while the device still holds it.</summary>
    HeadInFlight,
}
