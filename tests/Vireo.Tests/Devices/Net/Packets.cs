using System.Buffers.Binary;
using System.Net;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Frames for tests, and what a receiver would find out about them.</summary>
internal static class Packets
{
    public const int Tcp4HeaderBytes = 14 + 20 + 20;
    public const int Tcp6HeaderBytes = 14 + 40 + 20;
    public const int Udp4HeaderBytes = 14 + 20 + 8;
    public const int Udp6HeaderBytes = 14 + 40 + 8;

    /// <summary>A frame of an EtherType for experiments, with bytes that count up.</summary>
    public static byte[] Plain(int length, MacAddress? to = null)
    {
        byte[] frame = [.. Enumerable.Range(0, length).Select(static i => (byte)(i & 0xff))];
        (to ?? NetBench.Mac).Write(frame);
        MacAddress.Local(7).Write(frame.AsSpan(6));
        frame[12] = 0x88;
        frame[13] = 0xb5;
        return frame;
    }

    public static byte[] Tagged(int length, int vlan, MacAddress? to = null)
    {
        byte[] frame = Plain(length, to);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), 0x8100);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14), (ushort)vlan);
        return frame;
    }

    /// <summary>A whole IP packet with right checksums.</summary>
    public static byte[] Ip(
        bool isTcp,
        string source,
        string destination,
        int sourcePort,
        int destinationPort,
        int payload
    )
    {
        byte[] from = IPAddress.Parse(source).GetAddressBytes();
        byte[] to = IPAddress.Parse(destination).GetAddressBytes();
        bool isIp4 = from.Length == 4;
        int ipBytes = isIp4 ? 20 : 40;
        int transportBytes = isTcp ? 20 : 8;
        byte[] frame = new byte[14 + ipBytes + transportBytes + payload];
        NetBench.Mac.Write(frame);
        MacAddress.Local(7).Write(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(isIp4 ? 0x0800 : 0x86dd));
        Span<byte> ip = frame.AsSpan(14);
        byte protocol = (byte)(isTcp ? 6 : 17);
        if (isIp4)
        {
            ip[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], 0x1234);
            ip[8] = 64;
            ip[9] = protocol;
            from.CopyTo(ip[12..]);
            to.CopyTo(ip[16..]);
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], Checksum(ip[..20]));
        }
        else
        {
            ip[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - 40));
            ip[6] = protocol;
            ip[7] = 64;
            from.CopyTo(ip[8..]);
            to.CopyTo(ip[24..]);
        }

        Span<byte> transport = ip[ipBytes..];
        BinaryPrimitives.WriteUInt16BigEndian(transport, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], (ushort)destinationPort);
        if (isTcp)
        {
            BinaryPrimitives.WriteUInt32BigEndian(transport[4..], 0xffff_fff0);
            transport[12] = 0x50;
            transport[13] = 0x99;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
        }

        for (int index = 0; index < payload; index++)
        {
            transport[transportBytes + index] = (byte)(index * 7 & 0xff);
        }

        BinaryPrimitives.WriteUInt16BigEndian(transport[ChecksumOffset(isTcp)..], TransportChecksum(frame));
        return frame;
    }

    public static byte[] Tcp4(int payload) => Ip(true, "10.0.0.1", "10.0.0.2", 1000, 80, payload);

    public static byte[] Tcp6(int payload) => Ip(true, "fd00::1", "fd00::2", 1000, 80, payload);

    public static byte[] Udp4(int payload) => Ip(false, "10.0.0.1", "10.0.0.2", 1000, 53, payload);

    public static byte[] Udp6(int payload) => Ip(false, "fd00::1", "fd00::2", 1000, 53, payload);

    /// <summary>A frame in a VXLAN tunnel, without an outer checksum.</summary>
    /// <param name="isOuter6">Whether the tunnel goes over IPv6.</param>
    /// <param name="inner">The frame inside, with or without a complete checksum.</param>
    public static byte[] InVxlan(bool isOuter6, byte[] inner)
    {
        const int VxlanBytes = 8;
        byte[] frame = isOuter6
            ? Ip(false, "fd01::1", "fd01::2", 5000, 4789, VxlanBytes + inner.Length)
            : Ip(false, "10.1.0.1", "10.1.0.2", 5000, 4789, VxlanBytes + inner.Length);
        int udp = NetLayout.Of(frame).TransportOffset;
        frame.AsSpan(udp + 8, VxlanBytes).Clear();
        frame[udp + 8] = 8;
        frame[udp + 14] = 42;
        inner.CopyTo(frame, udp + 8 + VxlanBytes);
        frame.AsSpan(udp + 6, 2).Clear();
        return frame;
    }

    /// <summary>What a driver writes before a frame in a tunnel, and where it says that its parts are.</summary>
    /// <param name="frame">The frame, whose inner checksum is partial.</param>
    /// <param name="size">Payload of each segment, in bytes.</param>
    /// <param name="hasOuterChecksum">Whether the outer checksum is partial, too.</param>
    public static (NetHeader Header, NetTunnelOffsets Tunnel) TunnelHeader(
        byte[] frame,
        int size,
        bool hasOuterChecksum = false
    )
    {
        var outer = NetLayout.Of(frame);
        int innerAt = outer.TransportOffset + 16;
        byte[] inner = frame[innerAt..];
        var layout = NetLayout.Of(inner);
        NetSegmentation segmentation =
            !layout.IsTcp ? NetSegmentation.Udp
            : layout.IpVersion == 4 ? NetSegmentation.Tcp4
            : NetSegmentation.Tcp6;
        NetHeader header = PartialHeader(inner, segmentation, size);
        int tunnelBit = layout.IpVersion == 4 ? NetHeader.Tunnel4 : NetHeader.Tunnel6;
        return (
            header with
            {
                Flags = (byte)(header.Flags | (hasOuterChecksum ? NetHeader.TunnelChecksum : 0)),
                SegmentationType = (byte)((byte)segmentation | tunnelBit),
                HeaderBytes = (ushort)(header.HeaderBytes + innerAt),
                ChecksumStart = (ushort)(header.ChecksumStart + innerAt),
            },
            new(
                (ushort)outer.TransportOffset,
                (ushort)(innerAt + layout.NetworkOffset),
                (byte)outer.IpVersion,
                (byte)layout.IpVersion
            )
        );
    }

    /// <summary>The same frame with the sum of the pseudo header in the place of the checksum, as drivers leave it.</summary>
    public static byte[] WithPartialChecksum(byte[] frame)
    {
        byte[] result = [.. frame];
        var layout = NetLayout.Of(result);
        Span<byte> transport = result.AsSpan(layout.TransportOffset);
        ushort sum = (ushort)(Checksum(PseudoHeader(result, layout)) ^ 0xffff);
        BinaryPrimitives.WriteUInt16BigEndian(transport[ChecksumOffset(layout.IsTcp)..], sum);
        return result;
    }

    /// <summary>What a driver writes before such a frame.</summary>
    public static NetHeader PartialHeader(
        byte[] frame,
        NetSegmentation segmentation = NetSegmentation.None,
        int size = 0
    )
    {
        var layout = NetLayout.Of(frame);
        return new()
        {
            Flags = NetHeader.NeedsChecksum,
            SegmentationType = (byte)segmentation,
            SegmentBytes = (ushort)size,
            HeaderBytes = (ushort)(layout.TransportOffset + (layout.IsTcp ? 20 : 8)),
            ChecksumStart = (ushort)layout.TransportOffset,
            ChecksumOffset = (ushort)ChecksumOffset(layout.IsTcp),
        };
    }

    /// <summary>Asserts that lengths and checksums of an IP packet are right.</summary>
    public static void AssertWhole(byte[] frame)
    {
        var layout = NetLayout.Of(frame);
        ReadOnlySpan<byte> ip = frame.AsSpan(layout.NetworkOffset);
        if (layout.IpVersion == 4)
        {
            Assert.Equal(ip.Length, BinaryPrimitives.ReadUInt16BigEndian(ip[2..]));
            Assert.Equal(0, Checksum(ip[..20]));
        }
        else
        {
            Assert.Equal(ip.Length - 40, BinaryPrimitives.ReadUInt16BigEndian(ip[4..]));
        }

        bool hasChecksum =
            layout.TransportOffset >= 0
            && !(layout.IsUdp && BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(layout.TransportOffset + 6)) == 0);
        if (layout.IsUdp && hasChecksum)
        {
            Assert.Equal(
                frame.Length - layout.TransportOffset,
                BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(layout.TransportOffset + 4))
            );
        }

        if (hasChecksum)
        {
            Assert.Equal(0, Checksum([.. PseudoHeader(frame, layout), .. frame[layout.TransportOffset..]]));
        }
    }

    private static int ChecksumOffset(bool isTcp) => isTcp ? 16 : 6;

    private static ushort TransportChecksum(byte[] frame)
    {
        var layout = NetLayout.Of(frame);
        return Checksum([.. PseudoHeader(frame, layout), .. frame[layout.TransportOffset..]]);
    }

    private static byte[] PseudoHeader(byte[] frame, NetLayout layout)
    {
        int length = frame.Length - layout.TransportOffset;
        ReadOnlySpan<byte> ip = frame.AsSpan(layout.NetworkOffset);
        ReadOnlySpan<byte> addresses = layout.IpVersion == 4 ? ip.Slice(12, 8) : ip.Slice(8, 32);
        return [.. addresses, 0, 0, (byte)(length >> 8), (byte)(length & 0xff), 0, 0, 0, layout.Protocol];
    }

    /// <summary>The checksum as RFC 1071 writes it, word by word.</summary>
    private static ushort Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int index = 0; index < bytes.Length; index++)
        {
            sum += (uint)(index % 2 == 0 ? bytes[index] << 8 : bytes[index]);
        }

        while (sum >> 16 != 0)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)(sum ^ 0xffff);
    }
}
