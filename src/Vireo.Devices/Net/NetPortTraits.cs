namespace Vireo.Devices.Net;

/// <summary>What kind of place a network device is plugged into. Does not change.</summary>
public sealed record NetPortTraits
{
    /// <summary>How many pairs of queues the port can serve, each with a way in of its own, from 1.</summary>
    public int PairsMax { get; init; } = 1;

    /// <summary>What the port does to frames that it is given.</summary>
    public NetOffloads SendOffloads { get; init; }

    /// <summary>What the port may leave to the driver of frames that it delivers, if the driver wants it so.</summary>
    public NetOffloads ReceiveOffloads { get; init; }

    /// <summary>Whether the port looks at the bytes of the frames that it is given, so that they are worth fetching early.</summary>
    public bool ReadsFrames { get; init; } = true;

    /// <summary>The largest packet in bytes without the Ethernet header; 0 when the port does not say.</summary>
    public int MtuBytes { get; init; }
}
