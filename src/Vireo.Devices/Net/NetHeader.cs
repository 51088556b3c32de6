using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>What stands before each packet in a buffer (<c>struct virtio_net_hdr_v1</c>, VIRTIO 1.4 §5.1.6).</summary>
/// <remarks>Says what is yet to be done to the packet: complete a checksum, cut it into segments. All zeroes: nothing.</remarks>
[CTwin("struct virtio_net_hdr_v1", "linux/virtio_net.h")]
[StructLayout(LayoutKind.Sequential)]
public readonly record struct NetHeader
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 12;

    /// <summary>Where <see cref="BufferCount"/> stands, in bytes from the start.</summary>
    internal const int BufferCountOffset = 10;

    /// <summary>Bit of <see cref="Flags"/>: the checksum is to be calculated from <see cref="ChecksumStart"/> on.</summary>
    public const byte NeedsChecksum = 1;

    /// <summary>Bit of <see cref="Flags"/>: the checksum was found to be right.</summary>
    public const byte DataValid = 2;

    /// <summary>
    /// Bit of <see cref="Flags"/>: <see cref="ChecksumStart"/> is a number of segments, and <see cref="ChecksumOffset"/> one of duplicate
    /// acknowledgements. For drivers only; never inside this process.
    /// </summary>
    public const byte CountsSegments = 4;

    /// <summary>Bit of <see cref="Flags"/>: the checksum of the tunnel's UDP header is to be calculated, too.</summary>
    public const byte TunnelChecksum = 8;

    /// <summary>Bit of <see cref="SegmentationType"/>: the packet is in a UDP tunnel; see <see cref="NetTunnelOffsets"/> for which IP.</summary>
    public const byte Tunnel4 = 0x20;

    /// <summary>Bit of <see cref="SegmentationType"/>: as <see cref="Tunnel4"/>, for IPv6.</summary>
    public const byte Tunnel6 = 0x40;

    /// <summary>Bit of <see cref="SegmentationType"/>: the TCP packet has explicit congestion notification.</summary>
    public const byte Ecn = 0x80;

    /// <summary><see cref="NeedsChecksum"/>, <see cref="DataValid"/>, <see cref="TunnelChecksum"/>; bits without a name are ignored.</summary>
    [field: CField("flags")]
    public byte Flags { get; init; }

    /// <summary>A <see cref="NetSegmentation"/>, and perhaps <see cref="Ecn"/>, <see cref="Tunnel4"/> or <see cref="Tunnel6"/>.</summary>
    [field: CField("gso_type")]
    public byte SegmentationType { get; init; }

    /// <summary>Length of the headers in bytes; a hint.</summary>
    [field: CField("hdr_len")]
    public Le16 HeaderBytes { get; init; }

    /// <summary>Payload of each segment in bytes.</summary>
    [field: CField("gso_size")]
    public Le16 SegmentBytes { get; init; }

    /// <summary>First byte in the checksum.</summary>
    [field: CField("csum_start")]
    public Le16 ChecksumStart { get; init; }

    /// <summary>Where the checksum goes, from <see cref="ChecksumStart"/>.</summary>
    [field: CField("csum_offset")]
    public Le16 ChecksumOffset { get; init; }

    /// <summary>Over how many buffers a received packet is spread.</summary>
    [field: CField("num_buffers")]
    public Le16 BufferCount { get; init; }

    /// <summary>How the packet is to be cut.</summary>
    public NetSegmentation Segmentation => (NetSegmentation)(SegmentationType & ~(Ecn | Tunnel4 | Tunnel6));

    /// <summary>Whether the packet that is to be cut is in a UDP tunnel.</summary>
    public bool IsTunnel => (SegmentationType & (Tunnel4 | Tunnel6)) != 0;

    /// <summary>Whether a checksum is to be calculated.</summary>
    public bool IsChecksumPartial => (Flags & NeedsChecksum) != 0;

    /// <summary>Whether there is anything to be done to the packet.</summary>
    public bool IsPlain => Flags == 0 && SegmentationType == 0;
}
