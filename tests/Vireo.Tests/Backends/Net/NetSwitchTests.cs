using Vireo.Backends.Net.Switch;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Tests.Devices.Net;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Backends.Net;

/// <summary>Three guests on one switch, each with rings of its own.</summary>
public sealed class NetSwitchTests : IDisposable
{
    private static readonly MacAddress First = MacAddress.Local(1);
    private static readonly MacAddress Second = MacAddress.Local(2);
    private static readonly MacAddress Third = MacAddress.Local(3);

    private readonly FakeClock _clock = new();
    private readonly List<NetBench> _benches = [];

    public void Dispose() => _benches.ForEach(static bench => bench.Dispose());

    [Fact]
    public void Frame_ToUnknownAddress_GoesToAllOthers()
    {
        NetBench[] guests = Plug(Make(), null, null, null);

        Send(guests[0], First, Second);

        Assert.Empty(Take(guests[0]));
        Assert.Single(Take(guests[1]));
        Assert.Single(Take(guests[2]));
    }

    [Fact]
    public void Frame_ToLearnedAddress_GoesThereOnly()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, null, null, null);
        Send(guests[1], Second, MacAddress.Broadcast);
        TakeAll(guests);

        byte[] frame = Send(guests[0], First, Second);

        Assert.Equal(frame, Assert.Single(Take(guests[1])));
        Assert.Empty(Take(guests[2]));
        Assert.Equal(1, center.Ports[0].Statistics.PacketsIn);
        Assert.Equal(frame.Length, center.Ports[1].Statistics.BytesOut);
    }

    [Fact]
    public void Frame_ToItsOwnSide_GoesNowhere()
    {
        NetBench[] guests = Plug(Make(), null, null);
        Send(guests[0], Second, MacAddress.Broadcast);
        TakeAll(guests);

        Send(guests[0], First, Second);

        Assert.Empty(Take(guests[0]));
        Assert.Empty(Take(guests[1]));
    }

    [Fact]
    public void Address_ThatMoved_IsFoundAtItsNewPlace()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, null, null, null);
        Send(guests[1], Second, MacAddress.Broadcast);
        Send(guests[2], Second, MacAddress.Broadcast);
        TakeAll(guests);

        Send(guests[0], First, Second);

        Assert.Empty(Take(guests[1]));
        Assert.Single(Take(guests[2]));
        Assert.Equal(1, center.AddressMoves);
    }

    [Fact]
    public void Address_SilentForTooLong_IsForgotten()
    {
        NetBench[] guests = Plug(Make(), null, null, null);
        Send(guests[1], Second, MacAddress.Broadcast);
        TakeAll(guests);
        _clock.Advance(TimeSpan.FromSeconds(301));
        Send(guests[0], First, MacAddress.Broadcast);
        TakeAll(guests);

        Send(guests[0], First, Second);

        Assert.Single(Take(guests[1]));
        Assert.Single(Take(guests[2]));
    }

    [Fact]
    public void Floods_TooMany_AreRefusedUntilTimePasses()
    {
        NetSwitch center = Make(new() { FloodsPerSecond = 2 });
        NetBench[] guests = Plug(center, null, null);
        for (int count = 0; count < 5; count++)
        {
            Send(guests[0], First, MacAddress.Broadcast);
        }

        Assert.Equal(2, Take(guests[1]).Count);
        Assert.Equal(3, center.Ports[0].Statistics.FloodsRefused);

        _clock.Advance(TimeSpan.FromSeconds(0.5));
        // The clock is read at the end of a turn.
        Send(guests[0], First, MacAddress.Broadcast);
        Send(guests[0], First, MacAddress.Broadcast);
        Assert.Single(Take(guests[1]));
    }

    [Fact]
    public void Vlans_AreApart_AndTheirFramesTaggedWhereTagsGoThrough()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, 5, 5, 6, null);

        byte[] frame = Send(guests[0], First, MacAddress.Broadcast);

        Assert.Equal(frame, Assert.Single(Take(guests[1])));
        Assert.Empty(Take(guests[2]));
        byte[] tagged = Assert.Single(Take(guests[3]));
        Assert.Equal([.. frame[..12], 0x81, 0, 0, 5, .. frame[12..]], tagged);

        guests[3].Send(tagged, default(NetHeader));
        Assert.Empty(Take(guests[2]));
        Assert.Equal(frame, Assert.Single(Take(guests[1])));
        guests[0].Send(tagged, default(NetHeader));
        Assert.Empty(Take(guests[1]));
        Assert.Equal(1, center.Ports[0].Statistics.VlanDrops);
    }

    /// <summary>Frames that are there together go each to where it belongs, in their order.</summary>
    [Fact]
    public void Frames_SentTogether_GoWhereEachBelongs()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, null, null, null, 5);
        Send(guests[1], Second, MacAddress.Broadcast);
        Send(guests[2], Third, MacAddress.Broadcast);
        TakeAll(guests);
        byte[] tagged = [.. FrameOf(First, Second, 100)[..12], 0x81, 0, 0, 5, .. new byte[60]];
        byte[][] frames =
        [
            FrameOf(First, Second, 61),
            FrameOf(First, Second, 62),
            FrameOf(First, Third, 63),
            FrameOf(First, MacAddress.Broadcast, 64),
            tagged,
            FrameOf(First, Second, 65),
            FrameOf(MacAddress.Local(4), Second, 66),
            FrameOf(First, MacAddress.Local(9), 67),
            FrameOf(First, First, 68),
            FrameOf(First, Second, 69)[..14],
            FrameOf(First, Second, 70),
            FrameOf(MacAddress.Broadcast, Second, 71),
            FrameOf(First, Third, 72),
        ];

        guests[0].SendTogether([.. frames.Select(frame => guests[0].WithHeader(frame, default))]);

        // The tagged one is of a network where nobody is known yet: it goes to all who are in it.
        Assert.Equal([61, 62, 64, 76, 65, 66, 67, 14, 70, 71], Take(guests[1]).Select(static frame => frame.Length));
        Assert.Equal([63, 64, 76, 67, 72], Take(guests[2]).Select(static frame => frame.Length));
        Assert.Equal([72], Take(guests[3]).Select(static frame => frame.Length));
        Assert.Equal(13, center.Ports[0].Statistics.PacketsIn);
        Assert.Equal(frames.Sum(static frame => frame.Length), center.Ports[0].Statistics.BytesIn);
        Assert.Equal(0, center.AddressMoves);
    }

    [Fact]
    public void Frames_SentTogetherWithinAVlan_GoThereAsTheyAre()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, 5, 5, null);
        Send(guests[1], Second, MacAddress.Broadcast);
        TakeAll(guests);
        byte[][] frames = [.. Enumerable.Range(60, 50).Select(length => FrameOf(First, Second, length))];

        guests[0].SendTogether([.. frames.Take(20).Select(frame => guests[0].WithHeader(frame, default))]);
        guests[0].SendTogether([.. frames.Skip(20).Select(frame => guests[0].WithHeader(frame, default))]);

        // There are 32 buffers.
        Assert.Equal(frames.Take(32), Take(guests[1]));
        Assert.Equal(18, center.Ports[1].Statistics.FullDrops);
        Assert.Equal(18, guests[1].Device.StatisticsOf(0).Lost);
        Assert.Empty(Take(guests[2]));
    }

    [Fact]
    public void Segments_StayTogetherForWhoTakesThem_AndAreCutForWhoDoesNot()
    {
        NetSwitch center = Make();
        NetBench[] guests =
        [
            PlugIn(center, null, NetBench.Unfiltered),
            PlugIn(center, null, NetBench.Unfiltered),
            PlugIn(center, null, static offered => offered & FeatureSet.Of(NetFeatures.MergeReceiveBuffers)),
        ];
        byte[] partial = Packets.WithPartialChecksum(Packets.Tcp4(3000));
        MacAddress.Broadcast.Write(partial);

        guests[0].Send(partial, Packets.PartialHeader(partial, NetSegmentation.Tcp4, 1000));

        (NetHeader header, byte[] whole) = Assert.Single(guests[1].TakePackets());
        Assert.Equal(NetSegmentation.Tcp4, header.Segmentation);
        Assert.Equal(partial, whole);
        List<(NetHeader Header, byte[] Frame)> segments = guests[2].TakePackets();
        Assert.Equal(3, segments.Count);
        Assert.All(segments, static segment => Packets.AssertWhole(segment.Frame));
    }

    [Fact]
    public void Segments_BetweenVlans_KeepTheirOffsets()
    {
        NetSwitch center = Make();
        NetBench[] guests =
        [
            PlugIn(center, 7, NetBench.Unfiltered),
            PlugIn(center, null, static offered => offered & FeatureSet.Of(NetFeatures.MergeReceiveBuffers)),
        ];
        byte[] partial = Packets.WithPartialChecksum(Packets.Udp6(100));
        MacAddress.Broadcast.Write(partial);

        guests[0].Send(partial, Packets.PartialHeader(partial));

        byte[] frame = Assert.Single(guests[1].TakePackets()).Frame;
        Assert.Equal(7, frame[15]);
        Packets.AssertWhole([.. frame[..12], .. frame[16..]]);
    }

    [Fact]
    public void Frame_WithoutABuffer_IsLostAndCounted()
    {
        NetSwitch center = Make();
        NetBench sender = PlugIn(center, null, NetBench.Plain);
        NetBench receiver = PlugIn(center, null, NetBench.Plain, buffers: 0);

        Send(sender, First, Third);

        Assert.Equal(1, center.Ports[1].Statistics.FullDrops);
        Assert.Equal(1, receiver.Device.StatisticsOf(0).Lost);
    }

    [Fact]
    public void Port_TakenAway_IsForgotten()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, null, null);
        SwitchPort gone = center.AddPort("gone");
        gone.Dispose();

        Send(guests[0], First, MacAddress.Broadcast);

        Assert.Single(Take(guests[1]));
        Assert.Equal(2, center.Ports.Count);
    }

    [Fact]
    public void Addresses_WithoutEnd_CostNothingButFlooding()
    {
        NetSwitch center = Make(new() { AddressesMax = 16 });
        NetBench[] guests = Plug(center, null, null);
        for (ulong number = 0; number < 1000; number++)
        {
            Send(guests[0], MacAddress.Local(1000 + number), Second);
        }

        Assert.Equal(1000, center.Ports[0].Statistics.PacketsIn);
        Assert.Equal(0, center.AddressMoves);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    public void AddPort_ImpossibleVlan_IsRefused(int vlan) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Make().AddPort("port", vlan));

    private static byte[] FrameOf(MacAddress from, MacAddress to, int length)
    {
        byte[] frame = Packets.Plain(length, to);
        from.Write(frame.AsSpan(6));
        return frame;
    }

    private static byte[] Send(NetBench guest, MacAddress from, MacAddress to)
    {
        byte[] frame = FrameOf(from, to, 100);
        guest.Send(frame, default(NetHeader));
        return frame;
    }

    [Fact]
    public void Tag_PutBeforeALongFrameOfThisProcess_Fits()
    {
        NetSwitch center = Make();
        NetBench[] guests = Plug(center, 5, null);
        byte[] frame = Packets.Plain(1400, MacAddress.Broadcast);

        // Announcements and what an uplink brings lie in our memory, as a whole.
        center.Ports[0].Inject(frame);

        byte[] tagged = Assert.Single(Take(guests[1]));
        Assert.Equal([.. frame[..12], 0x81, 0, 0, 5, .. frame[12..]], tagged);
    }

    [Fact]
    public void Tunnel_UnderATag_IsWhereItsHeaderSays()
    {
        NetSwitch center = Make();
        static FeatureSet All(FeatureSet offered) =>
            offered.Without(FeatureSet.Of(NetFeatures.SegmentCounts, NetFeatures.NetworkHeaderOffset));
        NetBench from = PlugIn(center, 5, All);
        NetBench whole = PlugIn(center, null, All);
        NetBench cut = PlugIn(center, null, NetBench.Plain);
        byte[] frame = Packets.InVxlan(isOuter6: false, Packets.WithPartialChecksum(Packets.Tcp4(3000)));
        (NetHeader header, NetTunnelOffsets tunnel) = Packets.TunnelHeader(frame, 1000);

        from.Send(from.WithHeader(frame, header, tunnel));

        byte[] packet = Assert.Single(whole.TakeBuffers());
        Assert.Equal(new(34 + 4, 64 + 4), NetTunnelOffsets.Read(packet));
        Assert.Equal(84 + 4, Wire.Read<NetHeader>(packet).ChecksumStart.Value);
        Assert.Equal(3, Take(cut).Count);
    }

    private static List<byte[]> Take(NetBench guest) => [.. guest.TakePackets().Select(static packet => packet.Frame)];

    private static void TakeAll(NetBench[] guests) => Array.ForEach(guests, static guest => Take(guest));

    private NetSwitch Make(NetSwitchOptions? options = null) => new(null, options, _clock);

    private NetBench[] Plug(NetSwitch center, params int?[] vlans) =>
        [.. vlans.Select(vlan => PlugIn(center, vlan, NetBench.Plain))];

    private NetBench PlugIn(NetSwitch center, int? vlan, Func<FeatureSet, FeatureSet> choose, int buffers = 32)
    {
        NetBench bench = new(
            choose: offered => choose(offered).Without(NetFeatures.ControlReceive).Without(NetFeatures.ControlVlan),
            plug: center.AddPort($"port {_benches.Count}", vlan)
        );
        _benches.Add(bench);
        for (int count = 0; count < buffers; count++)
        {
            bench.Post(0, 4000);
        }

        return bench;
    }
}
