using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Packets from the driver: what is right reaches the port as it was, what is wrong reaches nobody.</summary>
public sealed class NetTransmitTests
{
    [Theory]
    [MemberData(nameof(NetBench.Layouts), MemberType = typeof(NetBench))]
    public void Packet_AnyLayout_ReachesThePort(int[] rings)
    {
        using NetBench bench = new(choose: NetBench.Plain, rings: FeatureSet.Of(rings));
        byte[] frame = Packets.Plain(1514);

        bench.Send(frame, default(NetHeader));

        (NetHeader header, byte[] sent, int pair) = Assert.Single(bench.Port.Sent);
        Assert.Equal(default, header);
        Assert.Equal(frame, sent);
        Assert.Equal(0, pair);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Packets);
        Assert.Equal(1514, bench.Device.StatisticsOf(1).Bytes);
    }

    [Theory]
    [InlineData(12)]
    [InlineData(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)]
    [InlineData(20, 7)]
    [InlineData(5, 30)]
    public void Packet_HoweverFramed_IsTheSame(params int[] pieces)
    {
        using NetBench bench = new(choose: NetBench.Plain);
        byte[] frame = Packets.Plain(100);

        bench.Send(bench.WithHeader(frame, default), 1, pieces);

        Assert.Equal(frame, Assert.Single(bench.Port.Sent).Frame);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(25)]
    public void Packet_ShorterThanHeaders_IsDropped(int length)
    {
        using NetBench bench = new(choose: NetBench.Plain);

        bench.Send([.. Enumerable.Repeat((byte)0, length), .. new byte[length == 0 ? 1 : 0]]);

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
        Assert.Equal(QueueFault.None, bench.Home.FaultOf(1));
    }

    [Fact]
    public void Packet_LongerThanAnyFrame_IsDropped()
    {
        using NetBench bench = new(choose: NetBench.Plain);

        bench.Send(new byte[12 + NetFrame.LengthMax + 1]);
        bench.Send(new byte[12 + NetFrame.LengthMax]);

        Assert.Equal(NetFrame.LengthMax, Assert.Single(bench.Port.Sent).Frame.Length);
    }

    [Fact]
    [Clause("net.dev.016", "net.dev.017")]
    public void Header_UnknownFlagsAndStaleFields_AreIgnored()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        NetHeader header = new()
        {
            Flags = 0xfe,
            ChecksumStart = 60_000,
            ChecksumOffset = 60_000,
            HeaderBytes = 60_000,
        };

        bench.Send(Packets.Plain(60), header);

        Assert.Equal(default, Assert.Single(bench.Port.Sent).Header);
    }

    [Fact]
    public void Header_PartialChecksum_ReachesThePort()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(100));
        NetHeader header = Packets.PartialHeader(frame);

        bench.Send(frame, header);

        Assert.Equal(header, Assert.Single(bench.Port.Sent).Header);
    }

    [Theory]
    [InlineData(0, 59)]
    [InlineData(59, 0)]
    [InlineData(65535, 65535)]
    [InlineData(30, 29)]
    public void Header_ChecksumBeyondTheFrame_DropsThePacket(int start, int offset)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        NetHeader header = new()
        {
            Flags = NetHeader.NeedsChecksum,
            ChecksumStart = (ushort)start,
            ChecksumOffset = (ushort)offset,
        };

        bench.Send(Packets.Plain(60), header);

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Errors);
    }

    [Theory]
    [InlineData(NetSegmentation.Tcp4, 0)]
    [InlineData((NetSegmentation)2, 1000)]
    [InlineData((NetSegmentation)6, 1000)]
    [InlineData((NetSegmentation)0x7f, 1000)]
    [InlineData((NetSegmentation)0x61, 1000)]
    public void Header_ImpossibleSegmentation_DropsThePacket(NetSegmentation segmentation, int size)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(3000));

        bench.Send(frame, Packets.PartialHeader(frame, segmentation, size));

        Assert.Empty(bench.Port.Sent);
    }

    [Fact]
    public void Header_SegmentationWithoutChecksum_DropsThePacket()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] frame = Packets.Tcp4(3000);

        bench.Send(frame, Packets.PartialHeader(frame, NetSegmentation.Tcp4, 1000) with { Flags = 0 });

        Assert.Empty(bench.Port.Sent);
    }

    [Fact]
    public void Header_SegmentationNotNegotiated_DropsThePacket()
    {
        using NetBench bench = new(choose: static offered =>
            NetBench.Unfiltered(offered).Without(NetFeatures.HostTso4)
        );
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(3000));

        bench.Send(frame, Packets.PartialHeader(frame, NetSegmentation.Tcp4, 1000));

        Assert.Empty(bench.Port.Sent);
    }

    [Theory]
    [Clause("net.dev.021", "net.dev.022")]
    [InlineData(0)]
    [InlineData(65535)]
    public void Header_LengthOfHeadersThatLies_IsMadePossible(int headerBytes)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(3000));

        bench.Send(
            frame,
            Packets.PartialHeader(frame, NetSegmentation.Tcp4, 1000) with
            {
                HeaderBytes = (ushort)headerBytes,
            }
        );

        NetHeader header = Assert.Single(bench.Port.Sent).Header;
        Assert.InRange(header.HeaderBytes.Value, 14 + 20 + 18, frame.Length);
        Assert.Equal(1000, header.SegmentBytes.Value);
    }

    [Fact]
    public void PortWithoutRoom_KeepsTheDriverWaiting()
    {
        using NetBench bench = new(choose: NetBench.Plain);
        bench.Port.HasRoom = false;
        byte[] packet = bench.WithHeader(Packets.Plain(60), default);
        Assert.True(bench.Home.Queue(1).TryAdd([bench.Home.Allocate(packet)], [], 1));
        bench.Home.Queue(1).Publish();
        bench.Home.Kick(1);
        Assert.Empty(bench.Port.Sent);

        bench.Port.HasRoom = true;
        bench.Port.Senders[0].Wake();
        bench.Home.Run();

        Assert.Single(bench.Port.Sent);
        Assert.True(bench.Home.Queue(1).TryTake(out _));
    }

    [Fact]
    public void LinkDown_DropsPackets()
    {
        using NetBench bench = new(choose: NetBench.Plain);
        bench.Device.SetLink(isUp: false);

        bench.Send(Packets.Plain(60), default(NetHeader));

        Assert.Empty(bench.Port.Sent);
        Assert.Equal(1, bench.Device.StatisticsOf(1).Filtered);
    }

    [Fact]
    [Clause("net.dev.007")]
    public void Packet_OfTheLargestSize_IsForwardedWhole()
    {
        using NetBench bench = new(new() { MtuBytes = 9000 }, NetBench.Unfiltered);
        byte[] frame = Packets.Plain(9014);

        bench.Send(frame, default(NetHeader));

        Assert.Equal(frame, Assert.Single(bench.Port.Sent).Frame);
    }
}
