namespace Vireo.Devices.Net;

/// <summary>What one side leaves for the other to do to packets.</summary>
[Flags]
public enum NetOffloads
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Packets may have a partial checksum.</summary>
    Checksum = 1 << 0,

    /// <summary>TCP over IPv4 may be unsegmented.</summary>
    Tso4 = 1 << 1,

    /// <summary>TCP over IPv6 may be unsegmented.</summary>
    Tso6 = 1 << 2,

    /// <summary>Unsegmented TCP may have explicit congestion notification.</summary>
    Ecn = 1 << 3,

    /// <summary>UDP may be unfragmented.</summary>
    Ufo = 1 << 4,

    /// <summary>UDP over IPv4 may be unsegmented.</summary>
    Uso4 = 1 << 5,

    /// <summary>UDP over IPv6 may be unsegmented.</summary>
    Uso6 = 1 << 6,

    /// <summary>Unsegmented TCP and UDP may be in a UDP tunnel; goes with all of those four only.</summary>
    Tunnel = 1 << 7,

    /// <summary>The checksum of such a tunnel's UDP header may be partial; goes with <see cref="Tunnel"/> only.</summary>
    TunnelChecksum = 1 << 8,

    /// <summary>What a packet in a UDP tunnel may be cut by: <see cref="Tunnel"/> needs all of it.</summary>
    Segments = Tso4 | Tso6 | Uso4 | Uso6,

    /// <summary>Everything there is.</summary>
    All = Checksum | Segments | Ecn | Ufo | Tunnel | TunnelChecksum,
}
