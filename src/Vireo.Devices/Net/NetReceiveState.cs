namespace Vireo.Devices.Net;

/// <summary>All that decides what becomes of a frame for the driver. Immutable: commands replace it as a whole.</summary>
internal sealed record NetReceiveState
{
    /// <summary>What may be left to the driver.</summary>
    public NetOffloads Offloads { get; init; }

    /// <summary>Whether the link is up.</summary>
    public bool IsLinkUp { get; init; } = true;

    /// <summary>The longest frame that needs no segmentation, without a tag; 0 for no limit (VIRTIO 1.4 §5.1.4.1).</summary>
    public int FrameBytesMax { get; init; }

    /// <summary>What the driver wants to receive; null for everything.</summary>
    public NetFilter? Filter { get; init; }

    /// <summary>Calculates hashes; null when nobody wants any.</summary>
    public NetHasher? Hasher { get; init; }

    /// <summary>Tunnels whose inner packets hashes are over.</summary>
    public NetHashTunnels Tunnels { get; init; }

    /// <summary>Chooses the queue by the hash; null when the port or the flow does.</summary>
    public NetScaling? Scaling { get; init; }

    /// <summary>How many pairs of queues the driver uses.</summary>
    public int PairsUsed { get; init; } = 1;

    /// <summary>Whether a frame's queue is chosen by what the driver last sent of the same flow.</summary>
    public bool SteersByFlow { get; init; }

    /// <summary>Whether the first bytes of each frame are looked at.</summary>
    public bool NeedsHead => Filter is not null || Hasher is not null || SteersByFlow;
}
