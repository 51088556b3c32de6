using System.Buffers.Binary;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Counters that the driver asks for, and configurations of scaling beside the one in force.</summary>
public sealed class NetStatisticsTests
{
    private const int ReplyBytes = 8;

    [Fact]
    [Clause("net.dev.115")]
    public void Query_TellsTheKinds()
    {
        using NetBench bench = Open();

        Assert.Equal([NetBench.Ok, 7, 0, 7, 0, 1, 0, 0, 0], bench.Command(8, 0, [], 8));
        Assert.Equal([NetBench.Error], bench.Command(8, 0, [], 7));
    }

    [Fact]
    public void Query_OffloadsNotAccepted_AreNotAmongTheKinds()
    {
        using NetBench bench = new(
            new() { Mac = NetBench.Mac, HasControlQueue = true },
            static offered => offered & FeatureSet.Of(NetFeatures.ControlQueue, NetFeatures.DeviceStatistics)
        );

        byte[] answer = bench.Command(8, 0, [], 8);

        Assert.Equal(NetBench.Ok, answer[0]);
        Assert.Equal(0x1_0001_0001ul, BinaryPrimitives.ReadUInt64LittleEndian(answer.AsSpan(1)));
    }

    [Fact]
    [Clause("net.dev.118", "net.dev.119")]
    public void Get_CountsWhatHappened()
    {
        using NetBench bench = Open();
        bench.Post(0, 2000);
        bench.Port.Bring(Packets.Tcp4(100));
        byte[] partial = Packets.WithPartialChecksum(Packets.Tcp4(3000));
        bench.Send(partial, Packets.PartialHeader(partial, NetSegmentation.Tcp4, 1000));
        bench.Send(Packets.Plain(60), default(NetHeader));
        bench.Send([1, 2, 3]);

        byte[] answer = bench.Command(8, 1, [.. Ask(0, 1), .. Ask(1, 0x70000), .. Ask(2, 1ul << 32)], 4000);

        Assert.Equal(NetBench.Ok, answer[0]);
        ReadOnlySpan<byte> rest = answer.AsSpan(1);
        long[] received = Take(ref rest, type: 0, queue: 0);
        Assert.Equal([1, 154], received[1..3]);
        Assert.Equal([0, 0], received[4..]);
        long[] sent = Take(ref rest, type: 16, queue: 1);
        Assert.Equal([2, partial.Length + 60], sent[1..3]);
        Assert.Equal([1, 1], sent[4..]);
        Assert.True(sent[0] >= 3, $"{sent[0]} kicks");
        Assert.Equal([1, 1], Take(ref rest, type: 17, queue: 1));
        Assert.Equal([1, partial.Length, 0, 0, 1, partial.Length], Take(ref rest, type: 18, queue: 1));
        Assert.Equal([1, 1], Take(ref rest, type: 32, queue: 2));
        Assert.True(rest.IsEmpty);
    }

    [Theory]
    [Clause("net.dev.116", "net.dev.117")]
    [InlineData(3, 1ul)]
    [InlineData(0, 1ul << 8)]
    [InlineData(0, 1ul << 3)]
    [InlineData(0, 1ul << 16)]
    [InlineData(1, 1ul)]
    [InlineData(2, 1ul)]
    [InlineData(0, 1ul << 63)]
    public void Get_ImpossibleKind_IsRefusedAsAWhole(int queue, ulong types)
    {
        using NetBench bench = Open();

        Assert.Equal([NetBench.Error], bench.Command(8, 1, [.. Ask(0, 1), .. Ask(queue, types)], 1000));
    }

    [Theory]
    [Clause("net.dev.116")]
    [InlineData(0, 2ul, NetFeatures.GuestChecksum)]
    [InlineData(1, 2ul << 16, NetFeatures.Checksum)]
    public void Get_KindOfAFeatureThatWasNotAccepted_IsRefused(int queue, ulong types, int feature)
    {
        using NetBench bench = new(choose: offered => NetBench.Unfiltered(offered).Without(feature));

        Assert.Equal([NetBench.Error], bench.Command(8, 1, Ask(queue, types), 1000));
    }

    [Fact]
    [Clause("net.dev.120")]
    public void Get_LittleRoom_IsFilledWithWholeReplies()
    {
        using NetBench bench = Open();

        byte[] answer = bench.Command(8, 1, [.. Ask(0, 1), .. Ask(1, 1 << 16)], 100);

        Assert.Equal(1 + ReplyBytes + 48, answer.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(17)]
    public void Get_CutShort_IsRefused(int length)
    {
        using NetBench bench = Open();
        byte[] two = [.. Ask(0, 1), .. Ask(1, 1 << 16)];

        Assert.Equal([NetBench.Error], bench.Command(8, 1, two[..length], 1000));
    }

    [Fact]
    [Clause("net.dev.104", "net.dev.105")]
    public void Contexts_AreAddedChangedAndDeleted()
    {
        using NetBench bench = new(new() { PairCount = 2, HasReceiveSideScaling = true }, NetBench.Unfiltered);
        byte[] scaling = [0x3f, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 40, .. new byte[40]];
        byte[] first = [1, 0, .. new byte[6], .. scaling];

        Assert.Equal([NetBench.Ok, 16, 0], bench.Command(9, 0, [], 2));
        Assert.Equal([NetBench.Error], bench.Command(9, 2, first));
        Assert.Equal([NetBench.Ok], bench.Command(9, 1, first));
        Assert.Equal([NetBench.Error], bench.Command(9, 1, first));
        Assert.Equal([NetBench.Ok], bench.Command(9, 2, first));
        Assert.Equal([NetBench.Error], bench.Command(4, 0, [1, 0]));
        Assert.Equal([NetBench.Error], bench.Command(9, 1, [17, .. first[1..]]));
        Assert.Equal([NetBench.Error], bench.Command(9, 1, [0, .. first[1..]]));
        Assert.Equal([NetBench.Error], bench.Command(9, 1, [2, .. first[1..^1]]));
        Assert.Equal([NetBench.Error], bench.Command(9, 3, [2, 0]));
        Assert.Equal([NetBench.Ok], bench.Command(9, 3, [1, 0]));
        Assert.Equal([NetBench.Ok], bench.Command(4, 0, [1, 0]));
        Assert.Equal([NetBench.Ok], bench.Command(9, 1, first));
        bench.Home.Restart();
        Assert.Equal([NetBench.Error], bench.Command(9, 3, [1, 0]));
    }

    [Fact]
    [Clause("net.dev.010")]
    public void Standby_IsOfferedWithAnAddress()
    {
        Vireo.Tests.Fakes.FakeNetPort port = new();
        using NetDevice device = new(port, new() { Mac = NetBench.Mac, IsStandby = true });

        Assert.True(device.OfferedFeatures.Contains(NetFeatures.Standby));
        Assert.Throws<Vireo.Core.Contract.DeviceException>(() => new NetDevice(port, new() { IsStandby = true }));
    }

    private static NetBench Open() => new(choose: NetBench.Unfiltered);

    private static byte[] Ask(int queue, ulong types) =>
        [(byte)queue, 0, .. new byte[6], .. BitConverter.GetBytes(types)];

    private static long[] Take(ref ReadOnlySpan<byte> replies, int type, int queue)
    {
        Assert.Equal(type, replies[0]);
        Assert.Equal(queue, BinaryPrimitives.ReadUInt16LittleEndian(replies[2..]));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(replies[6..]);
        long[] counters = new long[(size - ReplyBytes) / sizeof(long)];
        for (int index = 0; index < counters.Length; index++)
        {
            counters[index] = BinaryPrimitives.ReadInt64LittleEndian(replies[(ReplyBytes + index * 8)..]);
        }

        replies = replies[size..];
        return counters;
    }
}
