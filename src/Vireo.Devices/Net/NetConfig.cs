using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The configuration space (<c>struct virtio_net_config</c>, VIRTIO 1.4 §5.1.4).</summary>
[CTwin("struct virtio_net_config", "linux/virtio_net.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NetConfig
{
    /// <summary>The link works (bit 0 of <see cref="Status"/>).</summary>
    public const ushort LinkUp = 1;

    /// <summary>The driver is asked to announce itself (bit 1 of <see cref="Status"/>).</summary>
    public const ushort AnnounceWanted = 2;

    /// <summary>The address.</summary>
    public MacBytes Mac;

    /// <summary>The link, and whether an announcement is wanted.</summary>
    public Le16 Status;

    /// <summary>How many pairs of queues there can be.</summary>
    [CField("max_virtqueue_pairs")]
    public Le16 PairsMax;

    /// <summary>The largest packet in bytes, less the Ethernet header.</summary>
    public Le16 Mtu;

    /// <summary>Speed in Mbit/s; all ones when unknown.</summary>
    public Le32 Speed;

    /// <summary>1 for full duplex, 0 for half, 255 for unknown.</summary>
    public byte Duplex;

    /// <summary>Length of the longest hash key in bytes.</summary>
    [CField("rss_max_key_size")]
    public byte KeyBytesMax;

    /// <summary>How many entries the indirection table may have.</summary>
    [CField("rss_max_indirection_table_length")]
    public Le16 TableLengthMax;

    /// <summary>The <see cref="NetHashTypes"/> the device can calculate.</summary>
    [CField("supported_hash_types")]
    public Le32 HashTypes;

    /// <summary>Six bytes in a row.</summary>
    [InlineArray(MacAddress.LengthBytes)]
    internal struct MacBytes
    {
        private byte _first;
    }
}
