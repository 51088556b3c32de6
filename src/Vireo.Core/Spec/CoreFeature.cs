namespace Vireo.Core.Spec;

/// <summary>Numbers of the feature bits that are not of one device type (VIRTIO 1.4 §6).</summary>
public static class CoreFeature
{
    /// <summary>The features that change how queues work, so that whoever runs the queues must know them.</summary>
    public static readonly FeatureSet Rings = FeatureSet.Of(
        NotifyOnEmpty,
        AnyLayout,
        IndirectDescriptors,
        EventIndex,
        Version1,
        AccessPlatform,
        RingPacked,
        InOrder,
        OrderPlatform,
        NotificationData,
        RingReset
    );

    /// <summary>Legacy: interrupt when the ring runs empty even if interrupts are suppressed.</summary>
    public const int NotifyOnEmpty = 24;

    /// <summary>Legacy: no assumptions about how buffers are framed.</summary>
    public const int AnyLayout = 27;

    /// <summary>Descriptors may refer to tables of descriptors in memory (§2.7.5.3, §2.8.7).</summary>
    public const int IndirectDescriptors = 28;

    /// <summary>Notifications are suppressed by index: used_event and avail_event (§2.7.7, §2.7.10).</summary>
    public const int EventIndex = 29;

    /// <summary>The device complies with VIRTIO 1.0 or later; must be offered and accepted.</summary>
    public const int Version1 = 32;

    /// <summary>The device reaches memory through the platform's translation and limits.</summary>
    public const int AccessPlatform = 33;

    /// <summary>The packed virtqueue layout (§2.8).</summary>
    public const int RingPacked = 34;

    /// <summary>Buffers are used in the order in which they were made available (§2.7.9, §2.8.11).</summary>
    public const int InOrder = 35;

    /// <summary>Memory accesses are ordered as for a real device, not only as between processors.</summary>
    public const int OrderPlatform = 36;

    /// <summary>Single root I/O virtualization (PCI only).</summary>
    public const int SrIov = 37;

    /// <summary>A kick carries the ring position (§2.9).</summary>
    public const int NotificationData = 38;

    /// <summary>A kick carries a value that the device chose, in place of the queue index.</summary>
    public const int NotificationConfigData = 39;

    /// <summary>One queue can be reset by itself (§2.6.1).</summary>
    public const int RingReset = 40;

    /// <summary>The device has administration virtqueues (§2.13).</summary>
    public const int AdminQueue = 41;

    /// <summary>The driver can suspend the device.</summary>
    public const int Suspend = 43;
}
