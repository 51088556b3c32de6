using Vireo.Backends.Net.Switch;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Tests.Devices.Net;

namespace Vireo.Tests.Backends.Net;

/// <summary>A guest that writes what it likes, beside one that does its work: the neighbour loses nothing and sees nothing of others.</summary>
public sealed class HostileGuestTests
{
    private const int Rounds = 600;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Neighbour_GetsEveryPacketOfOthers_WhateverAGuestSends(int seed)
    {
        Random random = new(seed);
        NetSwitch center = new(null);
        using NetBench hostile = Plug(center, WithTunnels);
        using NetBench plain = Plug(center, static offered => offered & FeatureSet.Of(NetFeatures.MergeReceiveBuffers));
        using NetBench friend = Plug(center, static offered => NetBench.Unfiltered(offered));
        for (int round = 0; round < Rounds; round++)
        {
            byte[] frame = MakeFrame(random);
            SendAnyhow(hostile, frame, MakeHeader(random), random);
            TakeAll(plain);
            TakeAll(friend);
            if (round % 10 == 0)
            {
                AssertThatTrafficGoesOn(friend, plain);
            }
        }

        Assert.Equal(Vireo.Core.Queues.QueueFault.None, plain.Home.FaultOf(0));
        Assert.Equal(Vireo.Core.Queues.QueueFault.None, friend.Home.FaultOf(1));
    }

    [Fact]
    public void Frame_OneBytePerDescriptor_ArrivesWhole()
    {
        NetSwitch center = new(null);
        using NetBench sender = Plug(center, NetBench.Plain);
        using NetBench receiver = Plug(center, NetBench.Plain);
        byte[] frame = Packets.Plain(150, MacAddress.Broadcast);
        byte[] packet = sender.WithHeader(frame, default);
        Give(receiver, 4);

        sender.Send(packet, 1, [.. Enumerable.Repeat(1, packet.Length - 1)]);

        Assert.Equal(frame, Assert.Single(receiver.TakePackets()).Frame);
    }

    [Theory]
    [InlineData(65_557)]
    [InlineData(65_535)]
    public void Frame_LongestThereIs_ArrivesWhole(int length)
    {
        NetSwitch center = new(null);
        using NetBench sender = Plug(center, NetBench.Unfiltered);
        using NetBench receiver = Plug(center, NetBench.Unfiltered);
        Give(receiver, 40);
        byte[] frame = Packets.Plain(length, MacAddress.Broadcast);

        sender.Send(frame, default(NetHeader));

        Assert.Equal(frame, Assert.Single(receiver.TakePackets()).Frame);
    }

    [Fact]
    public void Frame_LongerThanAny_IsDroppedAndCounted()
    {
        NetSwitch center = new(null);
        using NetBench sender = Plug(center, NetBench.Unfiltered);
        using NetBench receiver = Plug(center, NetBench.Unfiltered);
        Give(receiver, 40);

        sender.Send(Packets.Plain(65_558, MacAddress.Broadcast), default(NetHeader));

        Assert.Empty(receiver.TakePackets());
        Assert.Equal(1, sender.Device.StatisticsOf(1).Errors);
    }

    /// <summary>
    /// Two guests tell each other a secret, unsegmented to one that has it cut. Another one sends what it likes. Neither it nor a
    /// guest that gets all VLANs sees the secret, whatever was left behind in the switch.
    /// </summary>
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void Secret_ReachesNobodyElse(int seed)
    {
        Random random = new(seed);
        NetSwitch center = new(null);
        using NetBench hostile = Plug(center, WithTunnels, vlan: 5);
        using NetBench all = Plug(center, NetBench.Plain);
        using NetBench teller = Plug(center, WithTunnels, vlan: 5);
        using NetBench listener = Plug(center, NetBench.Plain, vlan: 5);
        byte[] secret = MakeSecret(random);
        byte[] answer = Packets.Plain(60);
        MacAddress.Local(90).Write(answer);
        MacAddress.Local(91).Write(answer.AsSpan(6));
        int told = 0;
        Array.ForEach([hostile, all, teller, listener], static guest => Give(guest, 34));
        for (int round = 0; round < Rounds; round++)
        {
            listener.Send(answer, default(NetHeader));
            told += Tell(teller, secret, random);
            SendAnyhow(hostile, MakeFrame(random), MakeHeader(random), random);
            AssertWithout(secret, hostile);
            AssertWithout(secret, all);
            TakeAll(teller);
            Assert.Contains(listener.TakeBuffers(), buffer => Has(secret, buffer));
            Give(listener, 34 - Math.Min(34, listener.Posted));
        }

        Assert.Equal(Rounds, told);
    }

    private static byte[] MakeSecret(Random random)
    {
        byte[] secret = new byte[16];
        random.NextBytes(secret);
        return secret;
    }

    /// <summary>Sends the secret over and over in one packet of some kind, to the guest that has said where it is.</summary>
    private static int Tell(NetBench teller, byte[] secret, Random random)
    {
        int payload = 64 + 16 * random.Next(150);
        byte[] frame = random.Next(2) == 0 ? Packets.Tcp4(payload) : Packets.Tcp6(payload);
        bool isTunnel = random.Next(2) == 0;
        int at = frame.Length - payload;
        for (int part = 0; part < payload; part += 16)
        {
            secret.CopyTo(frame, at + part);
        }

        frame = Packets.WithPartialChecksum(frame);
        NetHeader header = Packets.PartialHeader(
            frame,
            NetLayout.Of(frame).IpVersion == 4 ? NetSegmentation.Tcp4 : NetSegmentation.Tcp6,
            512
        );
        NetTunnelOffsets tunnel = default;
        if (isTunnel)
        {
            frame = Packets.InVxlan(random.Next(2) == 0, frame);
            (header, tunnel) = Packets.TunnelHeader(frame, 512);
        }

        MacAddress.Local(91).Write(frame);
        MacAddress.Local(90).Write(frame.AsSpan(6));
        teller.Send(teller.WithHeader(frame, header, tunnel));
        return 1;
    }

    private static void AssertWithout(byte[] secret, NetBench guest)
    {
        foreach (byte[] buffer in guest.TakeBuffers())
        {
            Assert.False(Has(secret, buffer), "the secret has reached another guest");
        }

        Give(guest, 34 - Math.Min(34, guest.Posted));
    }

    private static bool Has(byte[] secret, byte[] buffer) => buffer.AsSpan().IndexOf(secret) >= 0;

    private static FeatureSet WithTunnels(FeatureSet offered) =>
        NetBench.Unfiltered(offered)
        | offered
            & FeatureSet.Of(
                NetFeatures.GuestUdpTunnel,
                NetFeatures.GuestUdpTunnelChecksum,
                NetFeatures.HostUdpTunnel,
                NetFeatures.HostUdpTunnelChecksum
            );

    private static NetBench Plug(NetSwitch center, Func<FeatureSet, FeatureSet> choose, int? vlan = null) =>
        new(choose: choose, plug: center.AddPort("port", vlan));

    private static void Give(NetBench guest, int count)
    {
        for (int index = 0; index < count; index++)
        {
            guest.Post(0, 2000);
        }
    }

    private static void TakeAll(NetBench guest)
    {
        // Also looks at the bytes behind each packet, which have to be as the driver left them.
        foreach (byte[] buffer in guest.TakeBuffers())
        {
            Assert.InRange(buffer.Length, 0, 2000);
        }

        Give(guest, 34 - Math.Min(34, guest.Posted));
    }

    private static void AssertThatTrafficGoesOn(NetBench from, NetBench to)
    {
        byte[] frame = Packets.Plain(900, MacAddress.Broadcast);
        from.Send(frame, default(NetHeader));
        (NetHeader header, byte[] came) = Assert.Single(to.TakePackets());
        Assert.Equal(frame, came);
        Assert.Equal(1, header.BufferCount.Value);
        Give(to, 1);
    }

    private static byte[] MakeFrame(Random random)
    {
        byte[] frame = random.Next(8) switch
        {
            6 => Packets.InVxlan(isOuter6: false, Packets.Tcp4(random.Next(3000))),
            7 => Packets.InVxlan(isOuter6: true, Packets.Udp6(random.Next(3000))),
            0 => Packets.Tcp4(random.Next(4000)),
            1 => Packets.Tcp6(random.Next(4000)),
            2 => Packets.Udp4(random.Next(4000)),
            3 => Packets.Udp6(random.Next(4000)),
            4 => Packets.Tagged(18 + random.Next(3000), random.Next(4096)),
            _ => new byte[random.Next(100)],
        };
        // To anybody, to nobody, to a group.
        random.NextBytes(frame.AsSpan(0, Math.Min(6, frame.Length)));
        for (int count = random.Next(4); count > 0 && frame.Length > 0; count--)
        {
            frame[random.Next(frame.Length)] = (byte)random.Next(256);
        }

        return frame;
    }

    private static NetHeader MakeHeader(Random random) =>
        new()
        {
            Flags = (byte)random.Next(16),
            SegmentationType = (byte)(
                random.Next(8)
                | (random.Next(4) == 0 ? NetHeader.Ecn : 0)
                | (random.Next(3) == 0 ? NetHeader.Tunnel4 : 0)
                | (random.Next(6) == 0 ? NetHeader.Tunnel6 : 0)
            ),
            HeaderBytes = AnyOf(random),
            SegmentBytes = AnyOf(random),
            ChecksumStart = AnyOf(random),
            ChecksumOffset = AnyOf(random),
            BufferCount = AnyOf(random),
        };

    private static ushort AnyOf(Random random) =>
        random.Next(5) switch
        {
            0 => 0,
            1 => (ushort)random.Next(1, 60),
            2 => (ushort)random.Next(34, 2000),
            3 => ushort.MaxValue,
            _ => (ushort)random.Next(65536),
        };

    private static void SendAnyhow(NetBench guest, byte[] frame, NetHeader header, Random random)
    {
        byte[] packet = guest.WithHeader(frame, header, new(AnyOf(random), AnyOf(random)));
        int first = random.Next(1, 20);
        byte[] cut = packet[..random.Next(Math.Max(1, packet.Length - 5), packet.Length + 1)];
        if (cut.Length > first)
        {
            guest.Send(cut, 1, first);
        }
    }
}
