using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Ccw;

/// <summary>How a device appears as a channel device. The defaults suit every device.</summary>
public sealed record CcwOptions
{
    /// <summary>
    /// The features channel I/O adds to those of device and rings: VIRTIO 1.4 §2.9 (a kick carries data), §3.4 (the driver suspends
    /// the device). Single queues cannot be reset over channel I/O (§4.3.4).
    /// </summary>
    public static readonly FeatureSet TransportFeatures = FeatureSet.Of(
        CoreFeature.NotificationData,
        CoreFeature.Suspend
    );

    /// <summary>The features on offer beside the device's own and VERSION_1: those of rings, platform and transport.</summary>
    public FeatureSet Features { get; init; } =
        TransportFeatures | FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);

    /// <summary>The subchannel's id, by which the driver names the device when it kicks.</summary>
    public uint Subchannel { get; init; } = 0x0001_0000;
}
