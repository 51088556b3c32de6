using Vireo.Backends.Net.Null;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Net;

/// <summary>Which queue gets a packet when nothing says so, or when the one that would get it is being reset.</summary>
public sealed class NetSteeringTests
{
    [Fact]
    [Clause("net.dev.092", "net.dev.093")]
    public void Modes_BothAreOffered()
    {
        using NetDevice device = new(new FakeNetPort(), new() { PairCount = 2, HasReceiveSideScaling = true });

        Assert.True(device.OfferedFeatures.Contains(NetFeatures.MultiQueue));
        Assert.True(device.OfferedFeatures.Contains(NetFeatures.ReceiveSideScaling));
    }

    [Fact]
    [Clause("net.dev.096")]
    public void Flow_NeverSent_GoesToAQueueThatIsUsed()
    {
        using NetBench bench = OpenPairs(3);
        Assert.Equal([NetBench.Ok], bench.Command(4, 0, [2, 0]));
        for (int number = 0; number < 40; number++)
        {
            bench.Post(0, 2000);
            bench.Post(2, 2000);
            bench.Post(4, 2000);
            bench.Port.Bring(Packets.Ip(number % 2 == 0, "10.0.0.1", "10.0.0.2", 1000 + number, 80, 10));
        }

        bench.Home.Run();
        Assert.Equal(40, bench.TakePackets(0).Count + bench.TakePackets(2).Count);
        Assert.Empty(bench.TakePackets(4));
    }

    [Fact]
    [Clause("net.dev.099")]
    public void Flow_WhoseQueueIsReset_GoesToAnother()
    {
        using NetBench bench = OpenPairs(2);
        Assert.Equal([NetBench.Ok], bench.Command(4, 0, [2, 0]));
        bench.Post(0, 2000);
        bench.Post(0, 2000);
        bench.Post(2, 2000);
        bench.Send(Packets.Ip(true, "10.0.0.2", "10.0.0.1", 80, 1000, 10), default, queue: 3);

        bench.Home.StopQueue(2);
        bench.Port.Bring(Packets.Tcp4(10));

        Assert.Equal(Packets.Tcp4(10), Assert.Single(bench.TakePackets(0)).Frame);
    }

    [Fact]
    [Clause("net.dev.100")]
    public void Packet_WhenEveryReceiveQueueIsReset_IsDropped()
    {
        using NetBench bench = new(choose: NetBench.Plain, plug: new LoopbackPort());
        bench.Post(0, 2000);
        bench.Post(0, 2000);
        QueueState state = bench.Home.StopQueue(0)!.Value;

        bench.Send(Packets.Plain(100), default(NetHeader));
        bench.Home.ResumeQueue(0, state);
        bench.Send(Packets.Plain(101), default(NetHeader));

        Assert.Equal(101, Assert.Single(bench.TakePackets()).Frame.Length);
    }

    [Fact]
    [Clause("net.dev.112", "net.dev.113")]
    public void Notifications_ComeSoonerThanAskedFor_ButNeverWhenSuppressed()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered, rings: FeatureSet.Empty);
        // Not before 64 packets, or a second.
        Assert.Equal([NetBench.Ok], bench.Command(6, 1, [64, 0, 0, 0, 0x40, 0x42, 0x0f, 0]));
        bench.Post(0, 2000);
        bench.Post(0, 2000);
        int before = bench.Home.CallCount(0);

        bench.Port.Bring(Packets.Plain(100));
        bench.Home.Run();
        Assert.Equal(before + 1, bench.Home.CallCount(0));

        Assert.Equal([NetBench.Ok], bench.Command(6, 1, [1, 0, 0, 0, 0, 0, 0, 0]));
        bench.Home.Queue(0).SuppressCalls();
        bench.Port.Bring(Packets.Plain(100));
        bench.Home.Run();
        Assert.Equal(before + 1, bench.Home.CallCount(0));
        Assert.Equal(2, bench.TakePackets().Count);
    }

    private static NetBench OpenPairs(int pairs) =>
        new(
            new() { Mac = NetBench.Mac, PairCount = pairs },
            NetBench.Unfiltered,
            port: new()
            {
                Traits = new()
                {
                    PairsMax = 1,
                    SendOffloads = NetOffloads.All,
                    ReceiveOffloads = NetOffloads.All,
                },
            }
        );
}
