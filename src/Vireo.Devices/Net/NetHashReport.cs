namespace Vireo.Devices.Net;

/// <summary>Over what a reported hash was calculated (VIRTIO_NET_HASH_REPORT, VIRTIO 1.4 §5.1.6.4.4).</summary>
internal enum NetHashReport : ushort
{
    None = 0,
    Ip4 = 1,
    Tcp4 = 2,
    Udp4 = 3,
    Ip6 = 4,
    Tcp6 = 5,
    Udp6 = 6,
}
