using System.Runtime.Intrinsics;
using Vireo.Backends.Net.Null;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Packets that are treated together come out as if each had come by itself.</summary>
public sealed class NetBurstTests
{
    [Theory]
    [MemberData(nameof(NetBench.Layouts), MemberType = typeof(NetBench))]
    public void Packets_OfAllKinds_ComeBackInOrder(int[] rings)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, rings: FeatureSet.Of(rings), plug: new LoopbackPort());
        Random random = new(1);
        for (int round = 0; round < 5; round++)
        {
            List<byte[]> packets = [];
            List<byte[]> frames = [];
            for (int index = 0; index < 120; index++)
            {
                bool isPartial = random.Next(5) == 0;
                byte[] frame = isPartial
                    ? Packets.WithPartialChecksum(Packets.Tcp4(random.Next(1400)))
                    : Packets.Plain(random.Next(14, 1515));
                NetHeader header = isPartial ? Packets.PartialHeader(frame) : default;
                packets.Add(bench.WithHeader(frame, header));
                frames.Add(frame);
                bench.Post(0, 2000);
            }

            bench.SendTogether(packets);

            List<(NetHeader Header, byte[] Frame)> received = bench.TakePackets();
            Assert.Equal(frames, received.Select(static packet => packet.Frame));
            Assert.All(received, static packet => Assert.Equal(1, packet.Header.BufferCount.Value));
        }

        Assert.Equal(600, bench.Device.StatisticsOf(0).Packets);
        Assert.Equal(600, bench.Device.StatisticsOf(1).Packets);
        Assert.Equal(bench.Device.StatisticsOf(1).Bytes, bench.Device.StatisticsOf(0).Bytes);
    }

    [Fact]
    public void Packets_WrongOnesAmongThem_AreDroppedAlone()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, plug: new LoopbackPort());
        byte[] good = bench.WithHeader(Packets.Plain(60), default);
        byte[] lying = bench.WithHeader(
            Packets.Plain(60),
            new NetHeader
            {
                Flags = NetHeader.NeedsChecksum,
                ChecksumStart = 70,
                ChecksumOffset = 16,
            }
        );
        for (int count = 0; count < 8; count++)
        {
            bench.Post(0, 2000);
        }

        bench.SendTogether([good, new byte[12], good, lying, new byte[25], good, new byte[3], good]);

        Assert.Equal(4, bench.TakePackets().Count);
        Assert.Equal(4, bench.Device.StatisticsOf(1).Errors);
        Assert.Equal(4, bench.Device.StatisticsOf(1).Packets);
    }

    [Fact]
    public void Packets_MoreThanBuffers_AreLostAndCounted()
    {
        using NetBench bench = new(choose: NetBench.Plain, plug: new LoopbackPort());
        for (int count = 0; count < 40; count++)
        {
            bench.Post(0, 2000);
        }

        byte[][] packets =
        [
            .. Enumerable.Range(0, 100).Select(index => bench.WithHeader(Packets.Plain(60 + index), default)),
        ];
        bench.SendTogether(packets);

        int[] expected = [.. Enumerable.Range(60, 40)];
        Assert.Equal(expected, bench.TakePackets().Select(static packet => packet.Frame.Length));
        Assert.Equal(60, bench.Device.StatisticsOf(0).Lost);
    }

    [Fact]
    public void Packets_LargerThanABufferAmongOthers_AreSpreadOverSeveral()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, plug: new LoopbackPort());
        byte[][] frames = [.. Enumerable.Range(0, 40).Select(index => Packets.Plain(index % 3 == 0 ? 700 : 100))];
        for (int count = 0; count < 120; count++)
        {
            bench.Post(0, 256);
        }

        bench.SendTogether([.. frames.Select(frame => bench.WithHeader(frame, default))]);

        Assert.Equal(frames, bench.TakePackets().Select(static packet => packet.Frame));
    }

    [Fact]
    [Clause("net.dev.006")]
    public void Packets_LargerThanTheMtuAmongOthers_AreDropped()
    {
        using NetBench bench = new(new() { MtuBytes = 1400 }, NetBench.Unfiltered, plug: new LoopbackPort());
        for (int count = 0; count < 3; count++)
        {
            bench.Post(0, 4000);
        }

        byte[][] packets = [Packets.Plain(60), Packets.Plain(1419), Packets.Plain(1414)];
        bench.SendTogether([.. packets.Select(frame => bench.WithHeader(frame, default))]);

        Assert.Equal([60, 1414], bench.TakePackets().Select(static packet => packet.Frame.Length));
    }

    /// <summary>A header that has a cache line for itself is compared with what ought to be there: whatever was, the driver finds what is right.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(51)]
    [InlineData(52)]
    [InlineData(60)]
    public void Header_OfABufferThatComesAgain_IsRight(int offset)
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, plug: new LoopbackPort());
        GuestRange room = bench.Home.Allocate(1024, 64);
        GuestRange buffer = new(new(room.Address.Value + (ulong)offset), 500);
        byte[][] starts =
        [
            [0xff],
            [.. new byte[8], 1, 2, 3, 4],
            [.. new byte[10], 1, 0],
            new byte[12],
        ];
        foreach (byte[] start in starts)
        {
            bench.Post(0, [buffer]);
            start.CopyTo(bench.Home.Bytes(buffer));
            byte[] frame = Packets.Plain(100);

            bench.SendTogether([bench.WithHeader(frame, default)]);

            (NetHeader header, byte[] received) = Assert.Single(bench.TakePackets());
            Assert.Equal(default(NetHeader) with { BufferCount = 1 }, header);
            Assert.Equal(frame, received);
        }
    }

    [Fact]
    public void Generator_FillsTheBuffersThatAreThere()
    {
        using GeneratorPort port = new(60);
        using NetBench bench = new(choose: NetBench.Plain, plug: port);
        for (int count = 0; count < 70; count++)
        {
            bench.Post(0, 2000);
        }

        bench.Home.Kick(0);

        List<(NetHeader Header, byte[] Frame)> packets = bench.TakePackets();
        Assert.Equal(70, packets.Count);
        Assert.All(packets, packet => Assert.Equal(packets[0].Frame, packet.Frame));
    }

    /// <summary>What was decided by is what is delivered, though the driver has changed its packet since.</summary>
    [Fact]
    public void Starts_MemoryChangedSince_AreWhatIsCopied()
    {
        using OwnedMemory memory = new(4096);
        Segment frame = memory.Slice(100, 60);
        frame.Bytes.Fill(2);
        NetBurst burst = new([frame, frame], [Vector128.Create((byte)1), Vector128.Create((byte)3)]);
        byte[] copy = new byte[60];

        burst.CopyTo(0, copy);

        byte[] expected = [.. Enumerable.Repeat((byte)1, 16), .. Enumerable.Repeat((byte)2, 44)];
        Assert.Equal(expected, copy);
        NetFrame second = burst.Slice(1, 1).FrameAt(0, new byte[16], new Segment[1]);
        second.CopyTo(copy);
        expected.AsSpan(0, 16).Fill(3);
        Assert.Equal(expected, copy);
    }
}
