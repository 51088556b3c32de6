using Vireo.Backends.Net.Null;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Net;

/// <summary>What one driver says of a packet is not what another is told, unless somebody has looked.</summary>
public sealed class NetTrustTests
{
    [Fact]
    [Clause("net.dev.026", "net.dev.055")]
    public void Checksum_ThatADriverCallsRight_IsNotCalledSo()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, plug: new LoopbackPort());
        byte[] frame = Packets.Tcp4(100);
        frame[50] ^= 0xff;
        bench.Post(0, 2000);
        bench.Post(0, 2000);

        bench.Send(frame, new NetHeader { Flags = NetHeader.DataValid });
        bench.Send(frame, default(NetHeader));

        Assert.All(
            bench.TakePackets(),
            packet =>
            {
                Assert.Equal(0, packet.Header.Flags);
                Assert.Equal(frame, packet.Frame);
            }
        );
    }

    [Fact]
    [Clause("net.dev.055")]
    public void Checksum_ThatTheHostFoundRight_IsCalledSo()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        bench.Post(0, 2000);

        bench.Port.Bring(Packets.Tcp4(100), new NetHeader { Flags = NetHeader.DataValid });

        Assert.Equal(NetHeader.DataValid, Assert.Single(bench.TakePackets()).Header.Flags);
    }

    [Fact]
    [Clause("net.dev.056")]
    public void Tunnel_WithAChecksumThatIsCalledRight_ReachesNobody()
    {
        using NetBench bench = new(
            choose: static offered =>
                offered.Without(FeatureSet.Of(NetFeatures.ControlReceive, NetFeatures.ControlVlan)),
            plug: new LoopbackPort()
        );
        byte[] frame = Packets.InVxlan(isOuter6: false, Packets.WithPartialChecksum(Packets.Tcp4(100)));
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, 50);
        bench.Post(0, 2000);
        const int Both = NetHeader.DataValid | NetHeader.NeedsChecksum;

        bench.Send(bench.WithHeader(frame, header with { Flags = Both }, tunnel));

        Assert.Empty(bench.TakePackets());
        Assert.False(
            NetHeaderCheck.TryNormalizeTunnel(
                header with
                {
                    Flags = Both,
                },
                ref tunnel,
                frame,
                frame.Length,
                NetOffloads.All,
                out _
            )
        );
    }

    [Fact]
    [Clause("net.dev.041")]
    public void Congestion_IsToldWhoTakesIt_AndCutForOthers()
    {
        using NetBench with = new(choose: NetBench.Unfiltered);
        using NetBench without = new(choose: static offered =>
            NetBench.Unfiltered(offered).Without(NetFeatures.GuestEcn)
        );
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(2500));
        NetHeader header = Packets.PartialHeader(frame, NetSegmentation.Tcp4, 1000);
        header = header with { SegmentationType = (byte)(header.SegmentationType | NetHeader.Ecn) };
        foreach (NetBench bench in (NetBench[])[with, without])
        {
            for (int count = 0; count < 3; count++)
            {
                bench.Post(0, 4000);
            }

            bench.Port.Bring(frame, header);
        }

        Assert.Equal(header with { BufferCount = 1 }, Assert.Single(with.TakePackets()).Header);
        List<(NetHeader Header, byte[] Frame)> cut = without.TakePackets();
        Assert.Equal(3, cut.Count);
        Assert.All(cut, static packet => Assert.Equal(0, packet.Header.SegmentationType));
        // CWR on the first alone.
        Assert.Equal([0x80, 0, 0], cut.Select(static packet => packet.Frame[47] & 0x80));
    }

    [Theory]
    [Clause("net.dev.054")]
    [InlineData(0, 94)]
    [InlineData(53, 94)]
    [InlineData(54, 54)]
    [InlineData(80, 80)]
    [InlineData(65_535, 2554)]
    public void HeaderLength_OfASenderThatLies_IsEnoughForAnyHeader(int told, int expected)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, plug: new LoopbackPort());
        byte[] frame = Packets.WithPartialChecksum(Packets.Tcp4(2500));
        NetHeader header = Packets.PartialHeader(frame, NetSegmentation.Tcp4, 1000);
        header = header with { HeaderBytes = (ushort)told };
        bench.Post(0, 4000);

        bench.Send(frame, header);

        // 34 and the 20 bytes of TCP, or the 60 there can be.
        Assert.Equal(expected, Assert.Single(bench.TakePackets()).Header.HeaderBytes.Value);
    }

    [Fact]
    [Clause("net.dev.013")]
    public void Speed_StaysWhileTheLinkGoesUpAndDown()
    {
        FakeNetPort port = new();
        using NetDevice device = new(port, new() { SpeedMegabits = 25_000 });
        byte[] first = Read(device);

        device.SetLink(isUp: false);
        byte[] down = Read(device);
        port.SetLink(isUp: false);
        device.SetLink(isUp: true);
        port.SetLink(isUp: true);

        Assert.Equal(first, down);
        Assert.Equal(first, Read(device));
        Assert.Equal([0xa8, 0x61, 0, 0, 1], first);
    }

    private static byte[] Read(NetDevice device)
    {
        byte[] speedAndDuplex = new byte[5];
        device.ReadConfig(12, speedAndDuplex);
        return speedAndDuplex;
    }
}
