namespace Vireo.Devices.Net;

/// <summary>Classes of commands on the control queue (VIRTIO 1.4 §5.1.6.5).</summary>
internal enum NetControlClass : byte
{
    /// <summary>Modes of receiving: promiscuous and others.</summary>
    Receive = 0,

    /// <summary>Addresses.</summary>
    Mac = 1,

    /// <summary>The VLAN filter.</summary>
    Vlan = 2,

    /// <summary>The driver has announced itself.</summary>
    Announce = 3,

    /// <summary>Pairs of queues, hashes, scaling.</summary>
    MultiQueue = 4,

    /// <summary>Receive offloads.</summary>
    GuestOffloads = 5,

    /// <summary>Coalescing of notifications.</summary>
    Coalescing = 6,

    /// <summary>Hashes over the packets in tunnels.</summary>
    HashTunnel = 7,

    /// <summary>Counters.</summary>
    Statistics = 8,

    /// <summary>Further configurations of scaling.</summary>
    ScalingContexts = 9,
}
