using Vireo.Core.Contract;

namespace Vireo.Devices.Net;

/// <summary>What an operator decides about a network device; the rest follows from its port.</summary>
public sealed record NetOptions
{
    /// <summary>The address; null leaves the choice to the driver or its front-end.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>The largest packet in bytes without the Ethernet header, 68 to 65,535; 0 to not say.</summary>
    public int MtuBytes { get; init; }

    /// <summary>How many pairs of queues there are, 1 to <see cref="NetDevice.PairsLimit"/>.</summary>
    public int PairCount { get; init; } = 1;

    /// <summary>The largest queue size, in descriptors: a power of two, at most 32,768.</summary>
    public ushort QueueSizeMax { get; init; } = QueueTraits.UsualSizeMax;

    /// <summary>
    /// Whether the device has a control queue. Without one the home's peer takes commands in the device's place: then
    /// every pair whose queues run is used, and what needs commands is not offered.
    /// </summary>
    public bool HasControlQueue { get; init; } = true;

    /// <summary>The offloads that may be offered, in both directions, where the port has them.</summary>
    public NetOffloads Offloads { get; init; } = NetOffloads.All;

    /// <summary>Whether packets may be spread over several receive buffers.</summary>
    public bool MergesReceiveBuffers { get; init; } = true;

    /// <summary>
    /// Whether the driver may say which queue receives what (RSS). All queues then share one loop, because a frame may have to
    /// go to any of them.
    /// </summary>
    public bool HasReceiveSideScaling { get; init; }

    /// <summary>
    /// Whether the driver is told that this device stands in for another one of the same address, which is handed to the guest
    /// beside it (failover). Needs <see cref="Mac"/>.
    /// </summary>
    public bool IsStandby { get; init; }

    /// <summary>Speed in Mbit/s that the driver is told, 0 to 2^31 - 1; null to not say.</summary>
    public int? SpeedMegabits { get; init; }
}
