using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Mmio;

/// <summary>How a device appears behind memory-mapped registers. The defaults suit every device.</summary>
public sealed record MmioOptions
{
    /// <summary>
    /// The features an MMIO transport adds to those of device and rings: VIRTIO 1.4 §2.6.1 (one queue is reset), §2.9 (a kick carries
    /// data), §3.4 (the driver suspends the device).
    /// </summary>
    public static readonly FeatureSet TransportFeatures = FeatureSet.Of(
        CoreFeature.RingReset,
        CoreFeature.NotificationData,
        CoreFeature.Suspend
    );

    /// <summary>The features on offer beside the device's own and VERSION_1: those of rings, platform and transport.</summary>
    public FeatureSet Features { get; init; } =
        TransportFeatures | FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);

    /// <summary>What the vendor register reads.</summary>
    public uint Vendor { get; init; } = 0x1af4;

    /// <summary>Guest addresses of the device's shared memory regions, by id; a region without one does not exist for the driver.</summary>
    public IReadOnlyDictionary<byte, ulong> SharedRegionAddresses { get; init; } = new Dictionary<byte, ulong>();
}
