using System.Buffers.Binary;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Net;

/// <summary>Packets in a UDP tunnel that are yet to be segmented: passed on where they are taken, cut where they are not.</summary>
public sealed class NetUdpTunnelTests
{
    private const int SegmentBytes = 1000;
    private const int VxlanBytes = 8;
    private const int UdpBytes = 8;

    /// <summary>Outer IPv6 or not, inner IPv6 or not, inner TCP or not.</summary>
    public static TheoryData<bool, bool, bool> Kinds
    {
        get
        {
            TheoryData<bool, bool, bool> kinds = [];
            for (int bits = 0; bits < 8; bits++)
            {
                kinds.Add((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
            }

            return kinds;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Packet_FromTheDriver_ReachesThePortAsItWas(bool isOuter6, bool isInner6, bool isTcp)
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] frame = Make(isOuter6, isInner6, isTcp, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);

        bench.Send(bench.WithHeader(frame, header, tunnel));
        // Linux names the outer IP, the specification the inner one.
        bench.Send(bench.WithHeader(frame, Flip(header), tunnel));

        Assert.Equal([tunnel, tunnel], bench.Port.SentTunnels);
        Assert.All(bench.Port.Sent, sent => Assert.Equal(frame, sent.Frame));
        int bit = isOuter6 ? NetHeader.Tunnel6 : NetHeader.Tunnel4;
        NetHeader expected = header with { SegmentationType = (byte)((byte)header.Segmentation | bit) };
        Assert.All(bench.Port.Sent, sent => Assert.Equal(expected, sent.Header));
        Assert.Equal(0, bench.Device.StatisticsOf(1).Errors);
    }

    [Theory]
    [InlineData(24)]
    [InlineData(20, 4, 14, 20, 8, 8, 14, 20, 20)]
    [InlineData(3, 50, 1, 1)]
    public void Packet_HoweverFramed_IsTheSame(params int[] pieces)
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] frame = Make(isOuter6: false, isInner6: false, isTcp: true, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);

        bench.Send(bench.WithHeader(frame, header, tunnel), 1, pieces);

        Assert.Equal(frame, Assert.Single(bench.Port.Sent).Frame);
        Assert.Equal(tunnel, Assert.Single(bench.Port.SentTunnels));
    }

    [Fact]
    [Clause("net.dev.023")]
    public void Packet_InBothTunnels_IsDropped() =>
        AssertDropped(
            static (header, tunnel) =>
                (header with { SegmentationType = (byte)(header.SegmentationType | 0x60) }, tunnel)
        );

    [Fact]
    [Clause("net.dev.025")]
    public void Packet_WithoutWhatATunnelNeeds_IsDropped()
    {
        AssertDropped(static (header, tunnel) => (header with { Flags = 0 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { Flags = 3 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { SegmentationType = NetHeader.Tunnel4 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { SegmentationType = 0xa0 }, tunnel));
    }

    [Fact]
    public void Packet_OfFragments_IsDropped() =>
        AssertDropped(static (header, tunnel) => (header with { SegmentationType = 0x23 }, tunnel));

    [Fact]
    public void Packet_WithPartsElsewhere_IsDropped()
    {
        AssertDropped(static (header, tunnel) => (header, tunnel with { OuterTransport = 0 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { OuterTransport = 35 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { OuterTransport = 65_535 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { InnerNetwork = 0 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { InnerNetwork = 14 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { InnerNetwork = 41 }));
        AssertDropped(static (header, tunnel) => (header, tunnel with { InnerNetwork = 65_535 }));
        AssertDropped(static (header, tunnel) => (header with { ChecksumStart = 34 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { ChecksumOffset = 6 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { ChecksumStart = 65_535 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { SegmentBytes = 0 }, tunnel));
        // TCP over IPv6, UDP: it is TCP over IPv4.
        AssertDropped(static (header, tunnel) => (header with { SegmentationType = 0x24 }, tunnel));
        AssertDropped(static (header, tunnel) => (header with { SegmentationType = 0x25 }, tunnel));
    }

    [Theory]
    [InlineData(12 + 1, 0x06)] // no IP
    [InlineData(14, 0x4f)] // more options than there are
    [InlineData(20, 0x20)] // a fragment
    [InlineData(23, 6)] // TCP on the outside
    [InlineData(64, 0x60)] // IPv6 on the inside, where IPv4 was said
    [InlineData(64, 0x4f)]
    [InlineData(73, 17)] // UDP on the inside
    public void Packet_WhoseHeadersAreOthers_IsDropped(int at, byte value)
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] frame = Make(isOuter6: false, isInner6: false, isTcp: true, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);
        frame[at] = value;

        bench.Send(bench.WithHeader(frame, header, tunnel));

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
    }

    [Fact]
    public void Packet_WhenTunnelsWereNotNegotiated_IsDropped()
    {
        // The driver takes tunnels and makes none; the header is as long for both.
        using NetBench bench = new(choose: static offered =>
            WithTunnels(offered).Without(FeatureSet.Of(NetFeatures.HostUdpTunnel, NetFeatures.HostUdpTunnelChecksum))
        );
        byte[] frame = Make(isOuter6: false, isInner6: false, isTcp: true, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);

        bench.Send(bench.WithHeader(frame, header, tunnel));

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
    }

    [Fact]
    public void OuterChecksum_WhenItWasNotNegotiated_DropsThePacket()
    {
        using NetBench bench = new(choose: static offered =>
            WithTunnels(offered).Without(FeatureSet.Of(NetFeatures.HostUdpTunnelChecksum))
        );
        byte[] frame = Packets.WithPartialChecksum(Make(isOuter6: false, isInner6: false, isTcp: true, 3500));
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes, hasOuterChecksum: true);

        bench.Send(bench.WithHeader(frame, header, tunnel));
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);

        // A flag that the device has not offered means nothing (VIRTIO 1.4 §5.1.6.2.2).
        bench.Send(Packets.Plain(60), new NetHeader { Flags = NetHeader.TunnelChecksum });
        Assert.Equal(default, Assert.Single(bench.Port.Sent).Header);
    }

    [Fact]
    public void OuterChecksum_WithoutATunnel_DropsThePacket()
    {
        using NetBench bench = new(choose: WithTunnels);

        bench.Send(Packets.Plain(60), new NetHeader { Flags = NetHeader.TunnelChecksum });

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
    }

    [Fact]
    [Clause("net.dev.024")]
    public void Offsets_WithoutATunnel_AreNotUsed()
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(3000));
        NetHeader header = Packets.PartialHeader(frame, NetSegmentation.Tcp4, SegmentBytes);

        bench.Send(bench.WithHeader(frame, header, new(65_535, 65_535)));

        Assert.Equal(header, Assert.Single(bench.Port.Sent).Header);
        Assert.Empty(bench.Port.SentTunnels);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    [Clause("net.dev.039", "net.dev.048")]
    public void Packet_ForADriverWithoutTunnels_IsCut(bool isOuter6, bool isInner6, bool isTcp)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        PostMany(bench);
        byte[] frame = Make(isOuter6, isInner6, isTcp, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);

        bench.Port.Bring(frame, Inside(header, tunnel), tunnel);

        AssertSegments(frame, bench.TakePackets(), hasOuterChecksum: false);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    [Clause("net.dev.040", "net.dev.049")]
    public void OuterChecksum_ForADriverWithoutIt_IsCompleteInEverySegment(bool isOuter6, bool isInner6, bool isTcp)
    {
        using NetBench bench = new(choose: static offered =>
            WithTunnels(offered).Without(FeatureSet.Of(NetFeatures.GuestUdpTunnelChecksum))
        );
        PostMany(bench);
        byte[] frame = Packets.WithPartialChecksum(Make(isOuter6, isInner6, isTcp, 3500));
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes, hasOuterChecksum: true);

        bench.Port.Bring(frame, Inside(header, tunnel), tunnel);

        AssertSegments(frame, bench.TakePackets(), hasOuterChecksum: true);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    [Clause("net.dev.048", "net.dev.057", "net.dev.058", "net.any.004")]
    public void Packet_ForADriverThatTakesTunnels_IsOneWithItsOffsets(bool isOuter6, bool isInner6, bool isTcp)
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] plain = Make(isOuter6, isInner6, isTcp, 3500);
        foreach (bool hasOuterChecksum in (bool[])[false, true])
        {
            PostMany(bench);
            byte[] frame = hasOuterChecksum ? Packets.WithPartialChecksum(plain) : plain;
            (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes, hasOuterChecksum);

            bench.Port.Bring(frame, Inside(header, tunnel), tunnel);

            if (isInner6 && !isOuter6)
            {
                // No bit says this to every driver, so it is cut.
                AssertSegments(frame, bench.TakePackets(), hasOuterChecksum);
                continue;
            }

            List<byte[]> buffers = bench.TakeBuffers();
            byte[] packet = [.. buffers.SelectMany(static buffer => buffer)];
            Assert.Equal(header with { BufferCount = (ushort)buffers.Count }, Wire.Read<NetHeader>(packet));
            Assert.Equal(new byte[8], packet[12..20]);
            Assert.Equal(tunnel.OuterTransport, BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(20)));
            Assert.Equal(tunnel.InnerNetwork, BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(22)));
            Assert.Equal(frame, packet[24..]);
        }
    }

    [Fact]
    public void Header_WithHashReport_HasTheHashBeforeTheOffsets()
    {
        using NetBench bench = new(choose: static offered =>
            WithTunnels(offered).With(NetFeatures.HashReport).With(NetFeatures.ControlQueue)
        );
        byte[] key = [.. Enumerable.Range(0, 40).Select(static i => (byte)i)];
        byte[] data = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, .. key];
        Assert.Equal([NetBench.Ok], bench.Command(4, 2, data));
        PostMany(bench);
        byte[] frame = Make(isOuter6: false, isInner6: false, isTcp: true, 500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, 400);

        bench.Port.Bring(frame, Inside(header, tunnel), tunnel);

        byte[] packet = Assert.Single(bench.TakeBuffers());
        Assert.Equal(24 + frame.Length, packet.Length);
        Assert.Equal(tunnel, NetTunnelOffsets.Read(packet) with { OuterVersion = 4, InnerVersion = 4 });
    }

    [Fact]
    public void Commands_TurnTunnelsOffAndOn()
    {
        using NetBench bench = new(choose: static offered => WithTunnels(offered).With(NetFeatures.ControlQueue));
        byte[] frame = Packets.WithPartialChecksum(Make(isOuter6: false, isInner6: false, isTcp: true, 3500));
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes, hasOuterChecksum: true);
        ulong all = (1ul << 1) | (1ul << 7) | (1ul << 8) | (1ul << 54) | (1ul << 55);
        int[] counts =
        [
            .. new[] { all, all | (1ul << 46), all | (1ul << 46) | (1ul << 47) }.Select(offloads =>
            {
                Assert.Equal([NetBench.Ok], bench.Command(5, 0, BitConverter.GetBytes(offloads)));
                PostMany(bench);
                bench.Port.Bring(frame, Inside(header, tunnel), tunnel);
                return bench.TakePackets().Count;
            }),
        ];

        Assert.Equal([4, 4, 1], counts);
        Assert.Equal(
            NetOffloads.Checksum | NetOffloads.Segments | NetOffloads.Tunnel | NetOffloads.TunnelChecksum,
            bench.Port.ReceiveOffloads
        );
    }

    [Fact]
    public void Command_ForTunnelsThatWereNotNegotiated_IsRefused()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);

        Assert.Equal([NetBench.Error], bench.Command(5, 0, BitConverter.GetBytes((1ul << 1) | (1ul << 46))));
    }

    [Theory]
    [InlineData(NetOffloads.Tso4)]
    [InlineData(NetOffloads.Tso6)]
    [InlineData(NetOffloads.Uso4)]
    [InlineData(NetOffloads.Uso6)]
    [InlineData(NetOffloads.Tunnel)]
    public void Features_WithoutAllThatTheyNeed_AreNotOffered(NetOffloads missing)
    {
        NetOffloads offloads = NetOffloads.All & ~missing;
        FakeNetPort port = new()
        {
            Traits = new() { SendOffloads = offloads, ReceiveOffloads = offloads },
        };
        using NetDevice device = new(port);

        Assert.Equal(
            FeatureSet.Empty,
            device.OfferedFeatures
                & FeatureSet.Of(
                    NetFeatures.GuestUdpTunnel,
                    NetFeatures.GuestUdpTunnelChecksum,
                    NetFeatures.HostUdpTunnel,
                    NetFeatures.HostUdpTunnelChecksum
                )
        );
    }

    [Fact]
    public void Anything_IsDroppedOrCutIntoWholePackets()
    {
        Random random = new(7);
        NetSegmenter segmenter = new();
        int taken = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] frame = Make(random.Next(2) == 0, random.Next(2) == 0, random.Next(2) == 0, random.Next(400));
            bool hasOuterChecksum = random.Next(2) == 0;
            frame = hasOuterChecksum ? Packets.WithPartialChecksum(frame) : frame;
            (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(
                frame,
                random.Next(1, 300),
                hasOuterChecksum
            );
            bool isChanged = random.Next(3) != 0;
            if (isChanged)
            {
                frame[random.Next(12, Math.Min(100, frame.Length))] = (byte)random.Next(256);
                tunnel = random.Next(4) switch
                {
                    0 => tunnel with { OuterTransport = (ushort)random.Next(65_536) },
                    1 => tunnel with { InnerNetwork = (ushort)random.Next(frame.Length + 2) },
                    _ => tunnel,
                };
                header = random.Next(4) == 0 ? header with { ChecksumStart = (ushort)random.Next(200) } : header;
                header = random.Next(8) == 0 ? header with { SegmentationType = (byte)random.Next(256) } : header;
            }

            bool isRight = NetHeaderCheck.TryNormalizeTunnel(
                header,
                ref tunnel,
                frame.AsSpan(0, Math.Min(frame.Length, NetHeaderCheck.TunnelHeadBytes)),
                frame.Length,
                NetOffloads.All,
                out NetHeader checkedHeader
            );
            if (isRight && random.Next(4) == 0)
            {
                // What a driver changes after it was checked.
                frame[random.Next(frame.Length)] = (byte)random.Next(256);
                isChanged = true;
            }

            // The segmenter looks for itself, so it is also asked without a check.
            NetHeader asked = isRight ? checkedHeader : header with { SegmentBytes = 100 };
            NetFrame unsegmented = new(asked, frame, [], frame.Length) { Tunnel = tunnel };
            if (!asked.IsTunnel || !segmenter.TryBegin(in unsegmented))
            {
                Assert.True(isChanged || frame.Length == header.HeaderBytes);
                continue;
            }

            taken++;
            while (segmenter.TryNext(out ReadOnlySpan<byte> segment))
            {
                Assert.InRange(segment.Length, NetFrame.EthernetBytes, frame.Length);
                if (!isChanged)
                {
                    Packets.AssertWhole(segment.ToArray());
                }
            }
        }

        Assert.True(taken > 5000, $"{taken} were cut");
    }

    private static FeatureSet WithTunnels(FeatureSet offered) =>
        NetBench.Unfiltered(offered).Without(NetFeatures.ControlQueue)
        | (
            offered
            & FeatureSet.Of(
                NetFeatures.GuestUdpTunnel,
                NetFeatures.GuestUdpTunnelChecksum,
                NetFeatures.HostUdpTunnel,
                NetFeatures.HostUdpTunnelChecksum
            )
        );

    /// <summary>A frame in a tunnel whose inner checksum is partial.</summary>
    private static byte[] Make(bool isOuter6, bool isInner6, bool isTcp, int payload)
    {
        byte[] inner = isInner6
            ? Packets.Ip(isTcp, "fd00::1", "fd00::2", 1000, 80, payload)
            : Packets.Ip(isTcp, "10.0.0.1", "10.0.0.2", 1000, 80, payload);
        return Packets.InVxlan(isOuter6, Packets.WithPartialChecksum(inner));
    }

    private static NetHeader Flip(NetHeader header) =>
        header with
        {
            SegmentationType = (byte)(header.SegmentationType ^ (NetHeader.Tunnel4 | NetHeader.Tunnel6)),
        };

    /// <summary>The header as it is inside the process: the bit names the outer IP.</summary>
    private static NetHeader Inside(NetHeader header, NetTunnelOffsets tunnel) =>
        tunnel.OuterVersion == tunnel.InnerVersion ? header : Flip(header);

    private static void PostMany(NetBench bench)
    {
        for (int count = 0; count < 6; count++)
        {
            bench.Post(0, 2000);
        }
    }

    private static void AssertDropped(Func<NetHeader, NetTunnelOffsets, (NetHeader, NetTunnelOffsets)> change)
    {
        using NetBench bench = new(choose: WithTunnels);
        byte[] frame = Make(isOuter6: false, isInner6: false, isTcp: true, 3500);
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, SegmentBytes);
        (header, tunnel) = change(header, tunnel);

        bench.Send(bench.WithHeader(frame, header, tunnel));

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
        Assert.Equal(Vireo.Core.Queues.QueueFault.None, bench.Home.FaultOf(1));
    }

    /// <summary>Every segment is whole inside and outside, and all of them together are the frame.</summary>
    private static void AssertSegments(
        byte[] frame,
        List<(NetHeader Header, byte[] Frame)> segments,
        bool hasOuterChecksum
    )
    {
        int outerUdp = NetLayout.Of(frame).TransportOffset;
        int innerAt = outerUdp + UdpBytes + VxlanBytes;
        var layout = NetLayout.Of(frame.AsSpan(innerAt));
        int headerBytes = innerAt + layout.TransportOffset + (layout.IsTcp ? 20 : 8);
        Assert.Equal(4, segments.Count);
        List<byte> payload = [];
        int number = 0;
        foreach ((NetHeader header, byte[] segment) in segments)
        {
            Assert.Equal(new NetHeader { BufferCount = 1 }, header);
            Packets.AssertWhole(segment);
            Packets.AssertWhole(segment[innerAt..]);
            ReadOnlySpan<byte> udp = segment.AsSpan(outerUdp);
            Assert.Equal(udp.Length, BinaryPrimitives.ReadUInt16BigEndian(udp[4..]));
            Assert.Equal(hasOuterChecksum, BinaryPrimitives.ReadUInt16BigEndian(udp[6..]) != 0);
            if (layout.IpVersion == 4)
            {
                Assert.Equal(0x1234 + number, BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(innerAt + 18)));
            }

            if (NetLayout.Of(frame).IpVersion == 4)
            {
                Assert.Equal(0x1234 + number, BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(18)));
            }

            Assert.Equal(frame[(outerUdp + UdpBytes)..(innerAt + 14)], segment[(outerUdp + UdpBytes)..(innerAt + 14)]);
            payload.AddRange(segment[headerBytes..]);
            number++;
        }

        Assert.Equal(frame[headerBytes..], payload);
    }
}
