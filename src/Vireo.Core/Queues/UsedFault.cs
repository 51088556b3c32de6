namespace Vireo.Core.Queues;

/// <summary>How a device broke the rules of a ring; the driver's queue retires at the first of these.</summary>
public enum UsedFault
{
    /// <summary>The ring is in order.</summary>
    None,

    /// <summary>The used index moved past what was available (VIRTIO 1.4 §2.7.8).</summary>
    IndexJump,

    /// <summary>A used element names a buffer that the device does not have (§2.7.8, §2.8.6).</summary>
    UnknownBuffer,

    /// <summary>A used element claims more bytes than the buffer's writable part has (§2.7.8).</summary>
    LengthBeyondBuffer,

    /// <summary>With IN_ORDER, a batch ends with a buffer that is not within the batch (§2.7.9, §2.8.11).</summary>
    OutOfOrder,
}
