using System.Buffers.Binary;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>What headers tell beyond the usual: where the network header is, and how many segments a packet was made of.</summary>
public sealed class NetLongHeaderTests
{
    private const int NetworkHeaderOffset = 24;

    [Theory]
    [InlineData(0)]
    [InlineData(14)]
    [InlineData(65_535)]
    [Clause("net.dev.019", "net.any.001")]
    public void NetworkHeader_ToldByTheDriver_ChangesNothing(int offset)
    {
        using NetBench bench = new(choose: WithNetworkHeader);
        byte[] frame = Packets.Tcp4(100);
        byte[] packet = bench.WithHeader(frame, default);
        Assert.Equal(32 + frame.Length, packet.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(NetworkHeaderOffset), (ushort)offset);

        bench.Send(packet);
        bench.Send(packet, 1, 5, 20, 7, 3);

        Assert.Equal(2, bench.Port.Sent.Count);
        Assert.All(bench.Port.Sent, sent => Assert.Equal(frame, sent.Frame));
    }

    [Fact]
    [Clause("net.dev.042", "net.dev.043", "net.any.002")]
    public void NetworkHeader_OfWhatComes_IsToldWhereThereIsOne()
    {
        using NetBench bench = new(choose: WithNetworkHeader);
        byte[][] frames =
        [
            Packets.Tcp4(100),
            Packets.Udp6(3000),
            Packets.Plain(60),
            Packets.Tagged(100, 7),
            [.. Packets.Tcp4(0)[..12], 0x81, 0, 0, 5, .. Packets.Tcp4(0)[12..]],
        ];
        List<int> told = [];
        foreach (byte[] frame in frames)
        {
            bench.Post(0, 1000, 3000);
            bench.Port.Bring(frame);
            byte[] packet = Assert.Single(bench.TakeBuffers());
            Assert.Equal(frame, packet[32..]);
            Assert.Equal(new byte[6], packet[26..32]);
            told.Add(BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(NetworkHeaderOffset)));
        }

        Assert.Equal([14, 14, 0, 0, 18], told);
    }

    [Fact]
    [Clause("net.dev.043")]
    public void NetworkHeader_NotNegotiated_HasNoPlace()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        bench.Post(0, 1000);

        bench.Port.Bring(Packets.Tcp4(100));

        Assert.Equal(12 + 154, Assert.Single(bench.TakeBuffers()).Length);
    }

    [Theory]
    [InlineData(2500, 1000, 3)]
    [InlineData(2000, 1000, 2)]
    [InlineData(1001, 1000, 2)]
    [InlineData(500, 1000, 1)]
    [InlineData(3000, 1, 3000)]
    [Clause("net.dev.052")]
    public void Segments_OfAnUnsegmentedPacket_AreCounted(int payload, int size, int count)
    {
        using NetBench bench = new(choose: WithCounts);
        bench.Post(0, 4000);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(payload));
        NetHeader header = Packets.PartialHeader(frame, NetSegmentation.Tcp4, size);

        bench.Port.Bring(frame, header);

        (NetHeader got, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(frame, received);
        NetHeader expected = header with
        {
            Flags = NetHeader.NeedsChecksum | NetHeader.CountsSegments,
            ChecksumStart = (ushort)count,
            ChecksumOffset = 0,
            BufferCount = 1,
        };
        Assert.Equal(expected, got);
    }

    [Fact]
    [Clause("net.dev.052")]
    public void Segments_OfAPacketFromAnotherGuest_AreCountedWhereItLies()
    {
        using NetBench bench = new(choose: WithCounts, plug: new Vireo.Backends.Net.Null.LoopbackPort());
        bench.Post(0, 4000);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp6(2500));
        NetHeader header = Packets.PartialHeader(frame, NetSegmentation.Tcp6, 1000);

        // Pieces of one byte around the length of the TCP header.
        bench.Send(bench.WithHeader(frame, header), 1, 12, 60, 1, 1, 1, 1, 1, 1, 1, 1);

        (NetHeader got, byte[] received) = Assert.Single(bench.TakePackets());
        Assert.Equal(frame, received);
        Assert.Equal(3, got.ChecksumStart.Value);
        Assert.Equal(NetHeader.NeedsChecksum | NetHeader.CountsSegments, got.Flags);
    }

    [Fact]
    public void Segments_OfWhatHasNoPlaceForTheirNumber_AreCut()
    {
        using NetBench bench = new(choose: WithCounts);
        byte[] datagrams = Packets.WithPartialChecksum(Packets.Udp4(2500));
        for (int count = 0; count < 3; count++)
        {
            bench.Post(0, 4000);
        }

        bench.Port.Bring(datagrams, Packets.PartialHeader(datagrams, NetSegmentation.Udp, 1000));

        List<(NetHeader Header, byte[] Frame)> packets = bench.TakePackets();
        Assert.Equal(3, packets.Count);
        Assert.All(
            packets,
            static packet =>
            {
                Assert.Equal(new NetHeader { BufferCount = 1 }, packet.Header);
                Packets.AssertWhole(packet.Frame);
            }
        );
    }

    [Fact]
    [Clause("net.dev.053")]
    public void Segments_WhereNothingIsToBeCut_AreNotCounted()
    {
        using NetBench with = new(choose: WithCounts);
        using NetBench without = new(choose: NetBench.Unfiltered);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(1000));
        NetHeader partial = Packets.PartialHeader(frame);
        NetHeader unsegmented = Packets.PartialHeader(frame, NetSegmentation.Tcp4, 400);
        with.Post(0, 4000);
        without.Post(0, 4000);

        with.Port.Bring(frame, partial);
        without.Port.Bring(frame, unsegmented);

        Assert.Equal(partial with { BufferCount = 1 }, Assert.Single(with.TakePackets()).Header);
        Assert.Equal(unsegmented with { BufferCount = 1 }, Assert.Single(without.TakePackets()).Header);
    }

    [Fact]
    public void SegmentCounts_AreOfferedWithTsoOfBothDirectionsOnly()
    {
        NetOffloads some = NetOffloads.Checksum | NetOffloads.Uso4 | NetOffloads.Uso6;
        foreach (
            (NetOffloads send, NetOffloads receive) in ((NetOffloads, NetOffloads)[])
                [(NetOffloads.All, some), (some, NetOffloads.All), (NetOffloads.Tso4, NetOffloads.Tso4)]
        )
        {
            Fakes.FakeNetPort port = new()
            {
                Traits = new() { SendOffloads = send, ReceiveOffloads = receive },
            };
            using NetDevice device = new(port);
            Assert.False(device.OfferedFeatures.Contains(NetFeatures.SegmentCounts));
        }
    }

    private static FeatureSet WithNetworkHeader(FeatureSet offered) =>
        NetBench.Unfiltered(offered).With(NetFeatures.NetworkHeaderOffset);

    private static FeatureSet WithCounts(FeatureSet offered) =>
        NetBench.Unfiltered(offered).With(NetFeatures.SegmentCounts);
}
