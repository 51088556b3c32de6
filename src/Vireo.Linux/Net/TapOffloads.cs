using Vireo.Linux.Native;

namespace Vireo.Linux.Net;

/// <summary>What the kernel may leave undone in frames it hands over a tap (TUN_F_*).</summary>
[Flags]
public enum TapOffloads : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Checksums may be partial; needed for all others.</summary>
    Checksum = LibC.TUN_F_CSUM,

    /// <summary>TCP over IPv4 may be unsegmented.</summary>
    Tso4 = LibC.TUN_F_TSO4,

    /// <summary>TCP over IPv6 may be unsegmented.</summary>
    Tso6 = LibC.TUN_F_TSO6,

    /// <summary>Unsegmented TCP may have explicit congestion notification.</summary>
    Ecn = LibC.TUN_F_TSO_ECN,

    /// <summary>UDP may be unfragmented.</summary>
    Ufo = LibC.TUN_F_UFO,

    /// <summary>UDP over IPv4 may be unsegmented (Linux 6.2).</summary>
    Uso4 = LibC.TUN_F_USO4,

    /// <summary>UDP over IPv6 may be unsegmented (Linux 6.2).</summary>
    Uso6 = LibC.TUN_F_USO6,

    /// <summary>Unsegmented TCP and UDP may be in a UDP tunnel; the header is then 24 bytes long (Linux 6.17).</summary>
    Tunnel = LibC.TUN_F_UDP_TUNNEL_GSO,

    /// <summary>The checksum of the tunnel's UDP header may be partial; with <see cref="Tunnel"/> (Linux 6.17).</summary>
    TunnelChecksum = LibC.TUN_F_UDP_TUNNEL_GSO_CSUM,
}
