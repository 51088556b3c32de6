using System.Buffers.Binary;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Packets for the driver: spread over its buffers, and in a form that it can take.</summary>
public sealed class NetReceiveTests
{
    private const int HeaderBytes = NetHeader.LengthBytes;

    [Theory]
    [Clause("net.dev.030", "net.dev.029", "net.dev.028")]
    [MemberData(nameof(NetBench.Layouts), MemberType = typeof(NetBench))]
    public void Packet_OneBuffer_IsDelivered(int[] rings)
    {
        using NetBench bench = new(choose: NetBench.Plain, rings: FeatureSet.Of(rings));
        bench.Post(0, HeaderBytes, 1514);
        byte[] frame = Packets.Plain(1514);

        bench.Port.Bring(frame);

        (NetHeader header, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(frame, received);
        Assert.Equal(new NetHeader { BufferCount = 1 }, header);
        Assert.Equal(1, bench.Device.StatisticsOf(0).Packets);
    }

    [Theory]
    [Clause("net.dev.031", "net.dev.032", "net.dev.033")]
    [MemberData(nameof(NetBench.Layouts), MemberType = typeof(NetBench))]
    public void Packet_LargerThanABuffer_FillsSeveral(int[] rings)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, rings: FeatureSet.Of(rings));
        bench.Post(0, 100);
        bench.Post(0, 50, 50);
        bench.Post(0, 300);
        bench.Post(0, 300);
        byte[] frame = Packets.Plain(400);

        bench.Port.Bring(frame);

        List<byte[]> buffers = bench.TakeBuffers();
        Assert.Equal([100, 100, 212], buffers.Select(static buffer => buffer.Length));
        Assert.Equal(3, Wire.Read<NetHeader>(buffers[0]).BufferCount.Value);
        Assert.Equal(frame, buffers.SelectMany(static buffer => buffer).Skip(HeaderBytes));
    }

    [Fact]
    public void Packet_BuffersComeLater_WaitsForAllOfThem()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        bench.Post(0, 100);
        byte[] frame = Packets.Plain(250);
        bench.Port.Bring(frame);
        Assert.Empty(bench.TakeBuffers());

        bench.Post(0, 100);
        Assert.Empty(bench.TakeBuffers());
        bench.Post(0, 100);

        Assert.Equal(frame, Assert.Single(bench.TakePackets()).Frame);
        Assert.Equal(0, bench.Port.Waiting);
    }

    [Fact]
    public void Queue_StopsWithGatheredBuffers_GivesThemBackEmpty()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        bench.Post(0, 100);
        bench.Port.Bring(Packets.Plain(250));
        bench.Home.Run();

        QueueState state = bench.Home.StopQueue(0)!.Value;
        bench.Home.ResumeQueue(0, state);

        Assert.Empty(Assert.Single(bench.TakeBuffers()));
        bench.Post(0, 1000);
        Assert.Single(bench.TakePackets());
    }

    [Fact]
    public void Packet_NoBuffer_WaitsAndIsCounted()
    {
        using NetBench bench = new(choose: NetBench.Plain);
        bench.Port.Bring(Packets.Plain(60));
        bench.Home.Run();
        Assert.Equal(1, bench.Port.Waiting);
        Assert.InRange(bench.Device.StatisticsOf(0).NoBuffers, 1, 10);

        bench.Post(0, 2000);

        Assert.Single(bench.TakePackets());
    }

    [Fact]
    public void Buffer_TooSmallWithoutMerging_IsGivenBackAndThePacketLost()
    {
        using NetBench bench = new(choose: NetBench.Plain);
        bench.Post(0, 50);
        bench.Post(0, 2000);

        bench.Port.Bring(Packets.Plain(100));
        bench.Port.Bring(Packets.Plain(60));

        List<byte[]> buffers = bench.TakeBuffers();
        Assert.Equal([0, 72], buffers.Select(static buffer => buffer.Length));
        Assert.Equal(1, bench.Device.StatisticsOf(0).Errors);
    }

    [Fact]
    public void Buffers_AllOfTheRingTooSmall_AreGivenBackAndThePacketLost()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, queueSize: 8);
        for (int index = 0; index < 8; index++)
        {
            bench.Post(0, 12);
        }

        bench.Port.Bring(Packets.Plain(1000));

        Assert.Equal(8, bench.TakeBuffers().Count);
        Assert.Equal(0, bench.Port.Waiting);
        bench.Post(0, 2000);
        bench.Port.Bring(Packets.Plain(60));
        Assert.Single(bench.TakePackets());
    }

    [Fact]
    public void Packet_OneByteBuffers_IsDelivered()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        bench.Post(0, 12);
        for (int index = 0; index < 60; index++)
        {
            bench.Post(0, 1);
        }

        byte[] frame = Packets.Plain(60);
        bench.Port.Bring(frame);

        (NetHeader header, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(61, header.BufferCount.Value);
        Assert.Equal(frame, received);
    }

    [Theory]
    [Clause("net.dev.034", "net.dev.050")]
    [InlineData(false)]
    [InlineData(true)]
    public void PartialChecksum_DriverThatCannot_GetsAWholeOne(bool isTcp)
    {
        using NetBench bench = new(choose: NetBench.Plain);
        byte[] whole = isTcp ? Packets.Tcp6(777) : Packets.Udp4(778);
        byte[] partial = Packets.WithPartialChecksum(whole);
        bench.Post(0, 2000);

        bench.Port.Bring(partial, Packets.PartialHeader(partial));

        (NetHeader header, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(0, header.Flags);
        Assert.Equal(whole, received);
    }

    [Fact]
    [Clause("net.dev.044", "net.dev.045", "net.dev.046", "net.dev.047")]
    public void PartialChecksum_DriverThatCan_GetsItAsItIs()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] partial = Packets.WithPartialChecksum(Packets.Tcp4(500));
        NetHeader header = Packets.PartialHeader(partial);
        bench.Post(0, 2000);

        bench.Port.Bring(partial, header);

        (NetHeader got, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(header with { BufferCount = 1 }, got);
        Assert.Equal(partial, received);
    }

    [Theory]
    [Clause("net.dev.035", "net.dev.036", "net.dev.037", "net.dev.038", "net.dev.050")]
    [InlineData(NetSegmentation.Tcp4)]
    [InlineData(NetSegmentation.Tcp6)]
    [InlineData(NetSegmentation.Udp)]
    [InlineData(NetSegmentation.UdpFragments)]
    public void Segmentation_DriverThatCannot_GetsSegments(NetSegmentation segmentation)
    {
        using NetBench bench = new(choose: NetBench.Plain);
        byte[] whole = segmentation switch
        {
            NetSegmentation.Tcp4 => Packets.Tcp4(4000),
            NetSegmentation.Tcp6 => Packets.Tcp6(4000),
            _ => Packets.Udp4(4000),
        };
        byte[] partial = Packets.WithPartialChecksum(whole);
        for (int index = 0; index < 5; index++)
        {
            bench.Post(0, 2000);
        }

        bench.Port.Bring(partial, Packets.PartialHeader(partial, segmentation, 1448));

        List<(NetHeader Header, byte[] Frame)> packets = bench.TakePackets();
        Assert.Equal(3, packets.Count);
        Assert.All(packets, static packet => Assert.Equal(new NetHeader { BufferCount = 1 }, packet.Header));
        Assert.All(packets, static packet => Packets.AssertWhole(packet.Frame));
    }

    [Theory]
    [Clause("net.dev.051", "net.any.003")]
    [InlineData(NetSegmentation.Tcp4)]
    [InlineData(NetSegmentation.Udp)]
    public void Segmentation_DriverThatCan_GetsTheWhole(NetSegmentation segmentation)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] partial = Packets.WithPartialChecksum(
            segmentation == NetSegmentation.Tcp4 ? Packets.Tcp4(30_000) : Packets.Udp4(30_000)
        );
        NetHeader header = Packets.PartialHeader(partial, segmentation, 1448);
        for (int index = 0; index < 20; index++)
        {
            bench.Post(0, 2048);
        }

        bench.Port.Bring(partial, header);

        (NetHeader got, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(header with { BufferCount = got.BufferCount }, got);
        Assert.Equal(partial, received);
    }

    [Fact]
    [Clause("net.dev.006")]
    public void Packet_LargerThanTheMtu_IsDropped()
    {
        using NetBench bench = new(new() { MtuBytes = 1400 }, NetBench.Unfiltered);
        bench.Post(0, 4000);

        bench.Port.Bring(Packets.Plain(1419));
        bench.Port.Bring(Packets.Plain(1414));

        Assert.Equal(1414, Assert.Single(bench.TakePackets()).Frame.Length);
    }

    [Fact]
    public void LinkDown_DropsPackets()
    {
        using NetBench bench = new(choose: NetBench.Plain);
        bench.Post(0, 2000);
        bench.Port.SetLink(isUp: false);

        bench.Port.Bring(Packets.Plain(60));
        bench.Home.Run();
        bench.Port.SetLink(isUp: true);
        bench.Port.Bring(Packets.Plain(61));

        Assert.Equal(61, Assert.Single(bench.TakePackets()).Frame.Length);
        Assert.Equal(2, bench.Home.ConfigChangeCount);
    }

    [Fact]
    public void Segments_OfTcp_CountOnAndFinishOnce()
    {
        byte[] partial = Packets.WithPartialChecksum(Packets.Tcp4(2500));
        NetSegmenter segmenter = new();
        NetFrame frame = new(Packets.PartialHeader(partial, NetSegmentation.Tcp4, 1000), partial, [], partial.Length);
        Assert.True(segmenter.TryBegin(in frame));

        List<byte[]> segments = [];
        while (segmenter.TryNext(out ReadOnlySpan<byte> segment))
        {
            segments.Add(segment.ToArray());
        }

        Assert.Equal([1054, 1054, 554], segments.Select(static segment => segment.Length));
        uint[] sequences = [.. segments.Select(static s => BinaryPrimitives.ReadUInt32BigEndian(s.AsSpan(38)))];
        Assert.Equal([0xffff_fff0, 984u, 1984u], sequences);
        // FIN and PSH on the last alone, CWR on the first alone.
        Assert.Equal([0x90, 0x10, 0x19], segments.Select(static segment => (int)segment[47]));
        Assert.Equal(
            [0x1234, 0x1235, 0x1236],
            segments.Select(static segment => (int)BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(18)))
        );
        Assert.Equal(partial[54..], segments.SelectMany(static segment => segment[54..]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Fragments_OfUdp_JoinToTheWholeDatagram(bool isIp6)
    {
        byte[] whole = isIp6 ? Packets.Udp6(3000) : Packets.Udp4(3000);
        byte[] partial = Packets.WithPartialChecksum(whole);
        int headerBytes = isIp6 ? 14 + 40 + 8 : 14 + 20;
        int wholeHeaderBytes = isIp6 ? 14 + 40 : 14 + 20;
        NetSegmenter segmenter = new();
        NetFrame frame = new(
            Packets.PartialHeader(partial, NetSegmentation.UdpFragments, 1001),
            partial,
            [],
            partial.Length
        );
        Assert.True(segmenter.TryBegin(in frame));

        List<byte> joined = [];
        while (segmenter.TryNext(out ReadOnlySpan<byte> fragment))
        {
            int word = BinaryPrimitives.ReadUInt16BigEndian(fragment[(isIp6 ? 14 + 42 : 14 + 6)..]);
            Assert.Equal(joined.Count, isIp6 ? word & 0xfff8 : (word & 0x1fff) * 8);
            joined.AddRange(fragment[headerBytes..]);
            bool hasMore = isIp6 ? (word & 1) != 0 : (word & 0x2000) != 0;
            Assert.Equal(joined.Count < 3008, hasMore);
            Packets.AssertWhole([.. fragment]);
        }

        Assert.Equal(whole[wholeHeaderBytes..], joined);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(53)]
    public void Segmenter_HeadersThatAreNotThere_Refuses(int length)
    {
        byte[] frame = new byte[Math.Max(length, 14)];
        Packets.Tcp4(100).AsSpan(0, frame.Length).CopyTo(frame);
        NetHeader header = new()
        {
            Flags = NetHeader.NeedsChecksum,
            SegmentationType = (byte)NetSegmentation.Tcp4,
            SegmentBytes = 1,
            ChecksumStart = 34,
            ChecksumOffset = 16,
        };

        Assert.False(new NetSegmenter().TryBegin(new(header, frame, [], frame.Length)));
    }

    [Fact]
    public void Segmenter_AnyBytes_NeverThrowsAndEnds()
    {
        Random random = new(5);
        NetSegmenter segmenter = new();
        byte[] big = new byte[NetFrame.LengthMax];
        for (int round = 0; round < 20_000; round++)
        {
            byte[] model = (round % 4) switch
            {
                0 => Packets.Tcp4(300),
                1 => Packets.Tcp6(300),
                2 => Packets.Udp4(300),
                _ => Packets.Udp6(300),
            };
            int length =
                round % 50 == 0
                    ? random.Next(NetFrame.EthernetBytes, big.Length + 1)
                    : random.Next(14, model.Length + 1);
            Span<byte> frame = big.AsSpan(0, length);
            model.AsSpan(0, Math.Min(length, model.Length)).CopyTo(frame);
            frame[random.Next(12, Math.Min(length, 80))] = (byte)random.Next(256);
            NetHeader raw = new()
            {
                Flags = NetHeader.NeedsChecksum,
                SegmentationType = (byte)random.Next(6),
                SegmentBytes = (ushort)(random.Next(3) == 0 ? 65535 : random.Next(1, 400)),
                ChecksumStart = (ushort)(
                    random.Next(3) == 0 ? random.Next(length) : NetLayout.Of(frame).TransportOffset & 0xff
                ),
                ChecksumOffset = (ushort)(random.Next(2) == 0 ? 6 : 16),
            };
            if (!NetHeaderCheck.TryNormalize(raw, length, NetOffloads.All, out NetHeader header))
            {
                continue;
            }

            int count = 0;
            bool isTaken = segmenter.TryBegin(new(header, frame, [], length));
            while (isTaken && segmenter.TryNext(out ReadOnlySpan<byte> segment))
            {
                Assert.InRange(segment.Length, NetFrame.EthernetBytes, NetFrame.LengthMax + 8);
                Assert.InRange(++count, 1, NetFrame.LengthMax);
            }
        }
    }
}
