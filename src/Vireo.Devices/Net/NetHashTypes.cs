namespace Vireo.Devices.Net;

/// <summary>Over what a hash may be calculated (VIRTIO_NET_HASH_TYPE, VIRTIO 1.4 §5.1.6.4.3).</summary>
[Flags]
internal enum NetHashTypes : uint
{
    None = 0,
    Ip4 = 1 << 0,
    Tcp4 = 1 << 1,
    Udp4 = 1 << 2,
    Ip6 = 1 << 3,
    Tcp6 = 1 << 4,
    Udp6 = 1 << 5,

    /// <summary>What this device calculates. Extension headers of IPv6 are skipped.</summary>
    Supported = Ip4 | Tcp4 | Udp4 | Ip6 | Tcp6 | Udp6,
}
