namespace Vireo.Devices.Net;

/// <summary>Tunnels whose inner packets a hash may be over (VIRTIO_NET_HASH_TUNNEL_TYPE, VIRTIO 1.4 §5.1.6.4.4).</summary>
[Flags]
internal enum NetHashTunnels : uint
{
    None = 0,

    /// <summary>GRE over IPv4 without key and sequence number (RFC 2784).</summary>
    Gre = 1 << 0,

    /// <summary>GRE with key or sequence number (RFC 2890).</summary>
    GreKeyed = 1 << 1,

    /// <summary>GRE over IPv6 without key and sequence number (RFC 7676).</summary>
    Gre6 = 1 << 2,

    /// <summary>GRE in UDP (RFC 8086).</summary>
    GreUdp = 1 << 3,

    /// <summary>VXLAN (RFC 7348).</summary>
    Vxlan = 1 << 4,

    /// <summary>VXLAN with a next protocol.</summary>
    VxlanGpe = 1 << 5,

    /// <summary>Geneve (RFC 8926).</summary>
    Geneve = 1 << 6,

    /// <summary>IPv4 in IPv4 (RFC 2003).</summary>
    IpIp = 1 << 7,

    /// <summary>Ethernet in GRE with a key (RFC 7637).</summary>
    Nvgre = 1 << 8,

    /// <summary>What this device sees through.</summary>
    Supported = Gre | GreKeyed | Gre6 | GreUdp | Vxlan | VxlanGpe | Geneve | IpIp | Nvgre,
}
