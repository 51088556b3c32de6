namespace Vireo.Devices.Net;

/// <summary>Numbers of the network device's feature bits (VIRTIO 1.4 §5.1.3).</summary>
public static class NetFeatures
{
    /// <summary>The device completes checksums of packets the driver sends.</summary>
    public const int Checksum = 0;

    /// <summary>The driver takes packets whose checksum is not complete.</summary>
    public const int GuestChecksum = 1;

    /// <summary>The driver may turn its receive offloads on and off by command.</summary>
    public const int ControlGuestOffloads = 2;

    /// <summary>The largest packet is in <c>mtu</c>.</summary>
    public const int Mtu = 3;

    /// <summary>The address is in <c>mac</c>.</summary>
    public const int Mac = 5;

    /// <summary>The driver takes TCP packets over IPv4 that are yet to be segmented.</summary>
    public const int GuestTso4 = 7;

    /// <summary>The same over IPv6.</summary>
    public const int GuestTso6 = 8;

    /// <summary>The driver takes such packets with explicit congestion notification.</summary>
    public const int GuestEcn = 9;

    /// <summary>The driver takes UDP packets that are yet to be fragmented.</summary>
    public const int GuestUfo = 10;

    /// <summary>The device segments TCP packets over IPv4.</summary>
    public const int HostTso4 = 11;

    /// <summary>The same over IPv6.</summary>
    public const int HostTso6 = 12;

    /// <summary>The device segments such packets with explicit congestion notification.</summary>
    public const int HostEcn = 13;

    /// <summary>The device fragments UDP packets.</summary>
    public const int HostUfo = 14;

    /// <summary>A packet may be spread over several receive buffers.</summary>
    public const int MergeReceiveBuffers = 15;

    /// <summary>The state of the link is in <c>status</c>.</summary>
    public const int Status = 16;

    /// <summary>There is a control queue.</summary>
    public const int ControlQueue = 17;

    /// <summary>The driver may choose what it receives: promiscuous, all multicast, a table of addresses.</summary>
    public const int ControlReceive = 18;

    /// <summary>The driver may filter VLANs.</summary>
    public const int ControlVlan = 19;

    /// <summary>More modes of receiving.</summary>
    public const int ControlReceiveExtra = 20;

    /// <summary>The device may ask the driver to announce itself.</summary>
    public const int GuestAnnounce = 21;

    /// <summary>There may be several pairs of queues.</summary>
    public const int MultiQueue = 22;

    /// <summary>The driver may change its address by command.</summary>
    public const int ControlMacAddress = 23;

    /// <summary>The driver may ask for the device's counters.</summary>
    public const int DeviceStatistics = 50;

    /// <summary>Hashes may be over the packet in a tunnel.</summary>
    public const int HashTunnel = 51;

    /// <summary>Notifications of one queue may be coalesced.</summary>
    public const int QueueNotificationCoalescing = 52;

    /// <summary>Notifications of one direction may be coalesced.</summary>
    public const int NotificationCoalescing = 53;

    /// <summary>The driver takes UDP packets over IPv4 that are yet to be segmented.</summary>
    public const int GuestUso4 = 54;

    /// <summary>The same over IPv6.</summary>
    public const int GuestUso6 = 55;

    /// <summary>The device segments UDP packets.</summary>
    public const int HostUso = 56;

    /// <summary>The header of a received packet tells its hash.</summary>
    public const int HashReport = 57;

    /// <summary>The driver tells the exact length of the headers.</summary>
    public const int GuestHeaderLength = 59;

    /// <summary>The driver may say which queue receives which hash.</summary>
    public const int ReceiveSideScaling = 60;

    /// <summary>The header of a received packet that is yet to be segmented tells of how many segments it was made.</summary>
    public const int SegmentCounts = 61;

    /// <summary>The device stands in for another one that has the same address.</summary>
    public const int Standby = 62;

    /// <summary>Speed and duplex are in the configuration space.</summary>
    public const int SpeedDuplex = 63;

    /// <summary>There may be several configurations of scaling.</summary>
    public const int ScalingContexts = 64;

    /// <summary>The driver takes packets in a UDP tunnel that are yet to be segmented.</summary>
    public const int GuestUdpTunnel = 65;

    /// <summary>The checksum of such a packet's outer header may be partial, too.</summary>
    public const int GuestUdpTunnelChecksum = 66;

    /// <summary>The device segments packets in a UDP tunnel.</summary>
    public const int HostUdpTunnel = 67;

    /// <summary>The device completes the checksum of such a packet's outer header, too.</summary>
    public const int HostUdpTunnelChecksum = 68;

    /// <summary>The header may tell where the packet's network header is.</summary>
    public const int NetworkHeaderOffset = 69;
}
