namespace Vireo.Devices.Net;

/// <summary>Checks the header of a packet against the packet (VIRTIO 1.4 §5.1.6.2.2).</summary>
public static class NetHeaderCheck
{
    /// <summary>How much of a packet in a tunnel has to be looked at, in bytes: all the headers there can be, options included.</summary>
    public const int TunnelHeadBytes = 512;

    private const int ChecksumBytes = 2;
    private const int UdpBytes = 8;
    private const int TcpBytesMin = 20;
    private const int TcpBytesMax = 60;
    private const int TcpChecksumOffset = 16;
    private const int UdpChecksumOffset = 6;

    /// <summary>Checks a header that somebody else wrote, and makes one of it that can be relied upon.</summary>
    /// <param name="header">A copy of the header.</param>
    /// <param name="frameBytes">Length of the frame behind it.</param>
    /// <param name="allowed">What may be left to be done; what is not in it makes the header wrong, a partial checksum apart.</param>
    /// <param name="result">Known flags only; offsets within the frame; lengths that fit. All zeroes when nothing is to be done.</param>
    /// <returns>False when the frame has to be dropped.</returns>
    public static bool TryNormalize(NetHeader header, int frameBytes, NetOffloads allowed, out NetHeader result)
    {
        result = default;
        if (header.IsTunnel)
        {
            // Nobody has said where its parts are.
            return false;
        }

        bool isPartial = header.IsChecksumPartial && allowed.HasFlag(NetOffloads.Checksum);
        int checksumEnd = header.ChecksumStart + header.ChecksumOffset + ChecksumBytes;
        if (isPartial && checksumEnd > frameBytes)
        {
            return false;
        }

        if (header.Segmentation != NetSegmentation.None)
        {
            bool hasEcn = (header.SegmentationType & NetHeader.Ecn) != 0;
            NetOffloads needed = NeedOf(header.Segmentation) | (hasEcn ? NetOffloads.Ecn : NetOffloads.None);
            // UDP segmentation does not say which IP it is for: either kind allows it.
            bool isAllowed =
                header.Segmentation == NetSegmentation.Udp
                    ? (allowed & needed) != NetOffloads.None && !hasEcn
                    : needed != NetOffloads.None && (allowed & needed) == needed;
            // Nothing but TCP has congestion notification; zero bytes in a segment would make segments without end.
            if (!isAllowed || !isPartial || header.SegmentBytes == 0 || checksumEnd >= frameBytes)
            {
                return false;
            }
        }

        if (!isPartial && header.Segmentation == NetSegmentation.None)
        {
            result = new() { Flags = (byte)(header.Flags & NetHeader.DataValid) };
            return true;
        }

        // The length of the headers is a hint that drivers get wrong: it is kept within what must be true, and one that is
        // too short for TCP becomes enough for all its options.
        bool isTcp = header.Segmentation is NetSegmentation.Tcp4 or NetSegmentation.Tcp6;
        int told = header.HeaderBytes;
        int least = !isTcp ? checksumEnd : header.ChecksumStart + TcpBytesMin;
        told = isTcp && told < least ? header.ChecksumStart + TcpBytesMax : Math.Max(told, least);
        int headerBytes = Math.Min(told, frameBytes);
        result = header with
        {
            Flags = NetHeader.NeedsChecksum,
            SegmentationType = header.Segmentation == NetSegmentation.None ? (byte)0 : header.SegmentationType,
            SegmentBytes = header.Segmentation == NetSegmentation.None ? (ushort)0 : header.SegmentBytes,
            HeaderBytes = (ushort)Math.Min(headerBytes, ushort.MaxValue),
            BufferCount = 0,
        };
        return true;
    }

    /// <summary>Checks the header of a packet in a UDP tunnel, as <see cref="TryNormalize"/> does others.</summary>
    /// <param name="header">A copy of the header; either of the bits that say tunnel, whichever IP it is meant for.</param>
    /// <param name="tunnel">Where the parts are said to be; completed when the packet is right.</param>
    /// <param name="head">The first bytes of the frame, a private copy: <see cref="TunnelHeadBytes"/>, or all there are.</param>
    /// <param name="frameBytes">Length of the whole frame.</param>
    /// <param name="allowed">What may be left to be done.</param>
    /// <param name="result">The header, with the bit that says tunnel set for the outer IP.</param>
    /// <returns>False when the frame has to be dropped.</returns>
    public static bool TryNormalizeTunnel(
        NetHeader header,
        ref NetTunnelOffsets tunnel,
        ReadOnlySpan<byte> head,
        int frameBytes,
        NetOffloads allowed,
        out NetHeader result
    )
    {
        const byte Both = NetHeader.Tunnel4 | NetHeader.Tunnel6;
        result = default;
        bool hasOuterChecksum = (header.Flags & NetHeader.TunnelChecksum) != 0;
        bool isAllowed =
            (header.SegmentationType & Both) is NetHeader.Tunnel4 or NetHeader.Tunnel6
            && (header.Flags & NetHeader.DataValid) == 0
            && header.Segmentation is not (NetSegmentation.None or NetSegmentation.UdpFragments)
            && allowed.HasFlag(NetOffloads.Tunnel)
            && (!hasOuterChecksum || allowed.HasFlag(NetOffloads.TunnelChecksum));
        NetHeader inner = header with { SegmentationType = (byte)(header.SegmentationType & ~Both) };
        if (!isAllowed || !TryNormalize(inner, frameBytes, allowed, out inner) || !TryFind(inner, ref tunnel, head))
        {
            return false;
        }

        int tunnelBit = tunnel.OuterVersion == 4 ? NetHeader.Tunnel4 : NetHeader.Tunnel6;
        result = inner with
        {
            Flags = (byte)(inner.Flags | (hasOuterChecksum ? NetHeader.TunnelChecksum : 0)),
            SegmentationType = (byte)(inner.SegmentationType | tunnelBit),
        };
        return true;
    }

    /// <summary>Whether a driver with these offloads can be given a packet as it is.</summary>
    /// <param name="header">What is to be done to the packet; checked.</param>
    /// <param name="offloads">What the driver does.</param>
    /// <param name="ipVersion">4, 6, or 0 when nobody has looked: then UDP segments need both kinds.</param>
    public static bool IsTaken(NetHeader header, NetOffloads offloads, int ipVersion = 0)
    {
        if (header.Flags != 0 && !offloads.HasFlag(NetOffloads.Checksum))
        {
            return false;
        }

        NetOffloads needed = NeedOf(header.Segmentation);
        if (header.Segmentation == NetSegmentation.Udp && ipVersion != 0)
        {
            needed = ipVersion == 4 ? NetOffloads.Uso4 : NetOffloads.Uso6;
        }

        bool hasEcn = (header.SegmentationType & NetHeader.Ecn) != 0;
        needed |= hasEcn ? NetOffloads.Ecn : NetOffloads.None;
        if (header.IsTunnel)
        {
            bool hasOuterChecksum = (header.Flags & NetHeader.TunnelChecksum) != 0;
            needed |= NetOffloads.Tunnel | (hasOuterChecksum ? NetOffloads.TunnelChecksum : NetOffloads.None);
        }

        return (offloads & needed) == needed;
    }

    /// <summary>Looks whether the parts of a packet in a tunnel are where they are said to be.</summary>
    private static bool TryFind(NetHeader header, ref NetTunnelOffsets tunnel, ReadOnlySpan<byte> head)
    {
        var outer = NetLayout.Of(head);
        int innerAt = tunnel.InnerNetwork;
        if (!outer.IsUdp || tunnel.OuterTransport != outer.TransportOffset || innerAt >= head.Length)
        {
            return false;
        }

        var inner = NetLayout.OfInnerPacket(head, innerAt);
        bool isTcp = header.Segmentation != NetSegmentation.Udp;
        bool isRightIp = header.Segmentation switch
        {
            NetSegmentation.Tcp4 => inner.IpVersion == 4,
            NetSegmentation.Tcp6 => inner.IpVersion == 6,
            _ => inner.IpVersion != 0,
        };
        tunnel = tunnel with { OuterVersion = (byte)outer.IpVersion, InnerVersion = (byte)inner.IpVersion };
        return isRightIp
            && innerAt >= outer.TransportOffset + UdpBytes
            && (isTcp ? inner.IsTcp : inner.IsUdp)
            && header.ChecksumStart == inner.TransportOffset
            && header.ChecksumOffset == (isTcp ? TcpChecksumOffset : UdpChecksumOffset);
    }

    private static NetOffloads NeedOf(NetSegmentation segmentation) =>
        segmentation switch
        {
            NetSegmentation.Tcp4 => NetOffloads.Tso4,
            NetSegmentation.Tcp6 => NetOffloads.Tso6,
            NetSegmentation.UdpFragments => NetOffloads.Ufo,
            NetSegmentation.Udp => NetOffloads.Uso4 | NetOffloads.Uso6,
            _ => NetOffloads.None,
        };
}
