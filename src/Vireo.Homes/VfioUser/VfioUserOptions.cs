using Microsoft.Extensions.Logging;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;

namespace Vireo.Homes.VfioUser;

/// <summary>How a vfio-user home behaves, where the usual is not wanted.</summary>
public sealed class VfioUserOptions
{
    /// <summary>What <see cref="Features"/> is when nothing is said: rings of both layouts, indirect descriptors, EVENT_IDX.</summary>
    /// <remarks>
    /// ACCESS_PLATFORM is among them, because the addresses are those of the client's I/O translation, if it has one (VIRTIO 1.4 §6.1).
    /// </remarks>
    public static FeatureSet FeaturesUsual { get; } =
        PciFunctionOptions.TransportFeatures
        | FeatureSet.Of(
            CoreFeature.IndirectDescriptors,
            CoreFeature.EventIndex,
            CoreFeature.RingPacked,
            CoreFeature.AccessPlatform
        );

    /// <summary>The features offered beside the device's own and VERSION_1: those of rings, platform and transport.</summary>
    public FeatureSet Features { get; init; } = FeaturesUsual;

    /// <summary>How many MSI-X vectors the function has, 0 to 2048; null for one each queue and one for configuration changes.</summary>
    /// <remarks>
    /// With 0 there is no MSI-X: drivers use the line. QEMU 11.1 needs that to survive when the function is unplugged while it runs.
    /// </remarks>
    public int? Vectors { get; init; }

    /// <summary>Whether the function has an administration virtqueue (VIRTIO 1.4 §2.13) for capabilities and the device's state in parts.</summary>
    public bool HasAdminQueue { get; init; }

    /// <summary>Where the home says what its clients do; null for nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Permission bits of the socket, 0 to 0777 (octal); null for what the process' umask leaves.</summary>
    public int? SocketMode { get; init; }

    /// <summary>Group the socket is given to; null for the process' own.</summary>
    public uint? SocketGroupId { get; init; }

    /// <summary>The clock; limits the lines of the log.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
