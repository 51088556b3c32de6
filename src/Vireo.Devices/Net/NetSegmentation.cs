namespace Vireo.Devices.Net;

/// <summary>How a packet is to be cut into smaller ones (VIRTIO_NET_HDR_GSO, VIRTIO 1.4 §5.1.6).</summary>
public enum NetSegmentation : byte
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>TCP over IPv4.</summary>
    Tcp4 = 1,

    /// <summary>UDP, as fragments of IP.</summary>
    UdpFragments = 3,

    /// <summary>TCP over IPv6.</summary>
    Tcp6 = 4,

    /// <summary>UDP, as datagrams of their own.</summary>
    Udp = 5,
}
