using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>Does in software what an offload would have done: completes checksums and cuts packets into segments.</summary>
/// <remarks>
/// For receivers and networks that lack the offload. Works on a private copy of one frame at a time; allocates nothing after it
/// was made. Everything in the frame is hostile: what does not fit together is refused.
/// </remarks>
public sealed class NetSegmenter
{
    private const int TcpHeaderBytesMin = 20;
    private const int UdpHeaderBytes = 8;
    private const int TcpSequenceOffset = 4;
    private const int TcpFlagsOffset = 13;
    private const int TcpChecksumOffset = 16;
    private const int UdpLengthOffset = 4;
    private const int UdpChecksumOffset = 6;
    private const byte TcpFinPush = 0x09;
    private const byte TcpCongestionReduced = 0x80;
    private const int FragmentHeaderBytes = 8;
    private const byte FragmentProtocol = 44;
    private const int MoreFragments = 0x2000;

    /// <summary>The frame that is being cut, followed by room for one segment.</summary>
    private readonly byte[] _frame = GC.AllocateUninitializedArray<byte>(NetFrame.LengthMax, pinned: true);

    private readonly byte[] _segment = GC.AllocateUninitializedArray<byte>(
        NetFrame.LengthMax + FragmentHeaderBytes,
        pinned: true
    );

    /// <summary>Where the headers of the packet that is cut are; the inner ones of a packet in a tunnel.</summary>
    private NetLayout _layout;

    /// <summary>Where the headers of the tunnel are, if there is one.</summary>
    private NetLayout _outer;

    private bool _isTunnel;

    /// <summary>Whether the tunnel's UDP header is to have a checksum.</summary>
    private bool _hasOuterChecksum;

    private NetSegmentation _kind;
    private int _frameBytes;

    /// <summary>Length of the headers that every segment repeats.</summary>
    private int _headerBytes;

    private int _payloadPerSegment;

    /// <summary>Payload bytes that went into segments already.</summary>
    private int _taken;

    private int _count;

    /// <summary>Names the fragments of a packet over IPv6.</summary>
    private uint _fragmentId;

    /// <summary>Takes a frame.</summary>
    /// <param name="frame">The frame; its header has been checked against it.</param>
    /// <returns>False when its headers do not fit what is to be done: it has to be dropped.</returns>
    public bool TryBegin(in NetFrame frame)
    {
        frame.CopyTo(_frame);
        _frameBytes = frame.LengthBytes;
        _kind = frame.Header.Segmentation;
        _taken = 0;
        _count = 0;
        Span<byte> bytes = _frame.AsSpan(0, _frameBytes);
        if (_kind == NetSegmentation.None)
        {
            if (frame.Header.IsChecksumPartial)
            {
                NetChecksum.Complete(bytes, frame.Header);
            }

            return true;
        }

        _outer = NetLayout.Of(bytes);
        _isTunnel = frame.Header.IsTunnel;
        if (!_isTunnel)
        {
            _layout = _outer;
            return TryFindHeaders(bytes, frame.Header);
        }

        return TryFindTunnel(bytes, frame.Header, frame.Tunnel) && TryFindHeaders(bytes, frame.Header);
    }

    /// <summary>Makes the next frame that has nothing left to be done.</summary>
    /// <param name="segment">The frame; valid until the next call.</param>
    /// <returns>False when there are no more.</returns>
    public bool TryNext(out ReadOnlySpan<byte> segment)
    {
        segment = default;
        int payload = _frameBytes - _headerBytes;
        if (_kind == NetSegmentation.None)
        {
            segment = _frame.AsSpan(0, _frameBytes);
            return _count++ == 0;
        }

        if (_taken >= payload)
        {
            return false;
        }

        int length = Math.Min(_payloadPerSegment, payload - _taken);
        segment = _kind == NetSegmentation.UdpFragments ? MakeFragment(length) : MakeSegment(length);
        _taken += length;
        _count++;
        return true;
    }

    /// <summary>Finds both sets of headers anew: what was checked before may have been changed since.</summary>
    private bool TryFindTunnel(ReadOnlySpan<byte> bytes, NetHeader header, NetTunnelOffsets tunnel)
    {
        int udp = _outer.TransportOffset;
        if (
            !_outer.IsUdp
            || udp != tunnel.OuterTransport
            || tunnel.InnerNetwork < udp + UdpHeaderBytes
            || tunnel.InnerNetwork >= bytes.Length
        )
        {
            return false;
        }

        _layout = NetLayout.OfInnerPacket(bytes, tunnel.InnerNetwork);
        // Zero means that there is none. Any other that is not ours to make was right for one length only, if for that.
        _hasOuterChecksum =
            (header.Flags & NetHeader.TunnelChecksum) != 0
            || BinaryPrimitives.ReadUInt16BigEndian(bytes[(udp + UdpChecksumOffset)..]) != 0;
        return _kind != NetSegmentation.UdpFragments;
    }

    private bool TryFindHeaders(Span<byte> bytes, NetHeader header)
    {
        int transport = _layout.TransportOffset;
        bool isTcp = _kind is NetSegmentation.Tcp4 or NetSegmentation.Tcp6;
        bool isRightIp = _kind switch
        {
            NetSegmentation.Tcp4 => _layout.IpVersion == 4,
            NetSegmentation.Tcp6 => _layout.IpVersion == 6,
            _ => _layout.IpVersion != 0,
        };
        if (!isRightIp || !(isTcp ? _layout.IsTcp : _layout.IsUdp) || header.ChecksumStart != transport)
        {
            return false;
        }

        int least = transport + (isTcp ? TcpHeaderBytesMin : UdpHeaderBytes);
        if (bytes.Length <= least)
        {
            return false;
        }

        _headerBytes = isTcp ? transport + (bytes[transport + 12] >> 4) * 4 : least;
        _payloadPerSegment = header.SegmentBytes;
        if (_headerBytes < least || _headerBytes >= bytes.Length)
        {
            return false;
        }

        // The length field of IP has 16 bits.
        int longest = _headerBytes + Math.Min(_payloadPerSegment, bytes.Length - _headerBytes) + FragmentHeaderBytes;
        if (longest - _outer.NetworkOffset > ushort.MaxValue)
        {
            return false;
        }

        return _kind != NetSegmentation.UdpFragments || TryBeginFragments(bytes, header);
    }

    /// <summary>Fragments carry the UDP header as payload, and its checksum is over the whole datagram.</summary>
    private bool TryBeginFragments(Span<byte> bytes, NetHeader header)
    {
        const int FragmentUnit = 8;
        _headerBytes = _layout.TransportOffset;
        _payloadPerSegment = header.SegmentBytes / FragmentUnit * FragmentUnit;
        if (_payloadPerSegment == 0 || header.ChecksumOffset != UdpChecksumOffset || _layout.HasExtensions)
        {
            return false;
        }

        NetChecksum.Complete(bytes, header);
        // Only has to differ from that of its neighbours in time.
        _fragmentId = _fragmentId == uint.MaxValue ? 1 : _fragmentId + 1;
        return true;
    }

    private Span<byte> MakeSegment(int length)
    {
        Span<byte> segment = _segment.AsSpan(0, _headerBytes + length);
        _frame.AsSpan(0, _headerBytes).CopyTo(segment);
        _frame.AsSpan(_headerBytes + _taken, length).CopyTo(segment[_headerBytes..]);
        bool isLast = _headerBytes + _taken + length == _frameBytes;
        WriteIpLength(segment, _layout, _count);
        Span<byte> transport = segment[_layout.TransportOffset..];
        int checksumOffset = UdpChecksumOffset;
        if (_layout.IsTcp)
        {
            checksumOffset = TcpChecksumOffset;
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(transport[TcpSequenceOffset..]);
            // Sequence numbers go round: the sum is cut to 32 bits.
            uint next = (uint)(((ulong)sequence + (uint)_taken) & uint.MaxValue);
            BinaryPrimitives.WriteUInt32BigEndian(transport[TcpSequenceOffset..], next);
            int drop = (isLast ? 0 : TcpFinPush) | (_count == 0 ? 0 : TcpCongestionReduced);
            transport[TcpFlagsOffset] = (byte)(transport[TcpFlagsOffset] & ~drop);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[UdpLengthOffset..], (ushort)transport.Length);
        }

        WriteTransportChecksum(segment, _layout, checksumOffset);
        if (_isTunnel)
        {
            WriteOuter(segment);
        }

        return segment;
    }

    /// <summary>The tunnel's own headers, when all that is inside is complete.</summary>
    private void WriteOuter(Span<byte> segment)
    {
        WriteIpLength(segment, _outer, _count);
        Span<byte> udp = segment[_outer.TransportOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(udp[UdpLengthOffset..], (ushort)udp.Length);
        if (_hasOuterChecksum)
        {
            WriteTransportChecksum(segment, _outer, UdpChecksumOffset);
        }
    }

    private static void WriteTransportChecksum(Span<byte> segment, NetLayout layout, int checksumOffset)
    {
        Span<byte> transport = segment[layout.TransportOffset..];
        Span<byte> field = transport.Slice(checksumOffset, sizeof(ushort));
        field.Clear();
        ReadOnlySpan<byte> ip = segment[layout.NetworkOffset..];
        ReadOnlySpan<byte> addresses = layout.IpVersion == 4 ? ip.Slice(12, 8) : ip.Slice(8, 32);
        ulong sum =
            NetChecksum.SumPseudoHeader(addresses, layout.Protocol, transport.Length) + NetChecksum.Sum(transport);
        ushort checksum = NetChecksum.Finish(sum);
        BinaryPrimitives.WriteUInt16BigEndian(field, checksum == 0 && layout.IsUdp ? ushort.MaxValue : checksum);
    }

    private Span<byte> MakeFragment(int length)
    {
        bool isIp4 = _layout.IpVersion == 4;
        int headerBytes = isIp4 ? _headerBytes : _headerBytes + FragmentHeaderBytes;
        Span<byte> fragment = _segment.AsSpan(0, headerBytes + length);
        _frame.AsSpan(0, _headerBytes).CopyTo(fragment);
        _frame.AsSpan(_headerBytes + _taken, length).CopyTo(fragment[headerBytes..]);
        bool isLast = _headerBytes + _taken + length == _frameBytes;
        Span<byte> ip = fragment[_layout.NetworkOffset..];
        if (isIp4)
        {
            int word = _taken / 8 | (isLast ? 0 : MoreFragments);
            BinaryPrimitives.WriteUInt16BigEndian(ip[6..], (ushort)word);
            // All fragments of a packet have the identification of the packet.
            WriteIpLength(fragment, _layout, identificationStep: 0);
            return fragment;
        }

        Span<byte> header = fragment.Slice(_headerBytes, FragmentHeaderBytes);
        header[0] = ip[6];
        header[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(_taken | (isLast ? 0 : 1)));
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], _fragmentId);
        ip[6] = FragmentProtocol;
        WriteIpLength(fragment, _layout, identificationStep: 0);
        return fragment;
    }

    /// <summary>Writes the length of an IP packet that goes to the end of the frame, and what depends on it.</summary>
    private static void WriteIpLength(Span<byte> frame, NetLayout layout, int identificationStep)
    {
        Span<byte> ip = frame[layout.NetworkOffset..];
        if (layout.IpVersion == 6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - NetLayout.Ip6HeaderBytes));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        int identification = BinaryPrimitives.ReadUInt16BigEndian(ip[4..]) + identificationStep;
        BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(identification & ushort.MaxValue));
        Span<byte> header = ip[..((ip[0] & 0xf) * 4)];
        header[10..12].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], NetChecksum.Finish(NetChecksum.Sum(header)));
    }
}
