using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Tests.Core.Queues;
using Vireo.Tests.Core.Transports;

namespace Vireo.Tests.Core.Contract;

/// <summary>When a turn shows the driver what it has completed, and how often it calls.</summary>
public sealed class QueueHandlerTests
{
    private const int Chains = 5;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_SeveralChains_TheFirstIsTakenBackWhileTheOthersAreHandled(bool isPacked)
    {
        using RingBench bench = new(new(isPacked, 16, HasIndirect: false, HasEventIndex: true, IsInOrder: false));
        List<bool> seen = [];
        ProbeHost.CountingSignal call = new();
        using Handler handler = new(number => seen.Add(number > 1 && bench.Driver.TryTake(out _)));
        Bind(handler, bench, call);
        Add(bench);
        Assert.True(bench.Driver.TryArmCalls());

        Assert.True(handler.Run());

        Assert.Equal([false, true, false, false, false], seen);
        Assert.Equal(1, call.Count);
        Assert.Equal(Chains - 1, TakeAll(bench));
    }

    /// <summary>Without EVENT_IDX a driver that is still waking up would be called once more.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_SeveralChainsWithoutEventIndex_CallsOnceAtTheEnd(bool isPacked)
    {
        using RingBench bench = new(new(isPacked, 16, HasIndirect: false, HasEventIndex: false, IsInOrder: false));
        List<bool> seen = [];
        ProbeHost.CountingSignal call = new();
        using Handler handler = new(number => seen.Add(number > 1 && bench.Driver.TryTake(out _)));
        Bind(handler, bench, call);
        Add(bench);

        Assert.True(handler.Run());

        Assert.DoesNotContain(true, seen);
        Assert.Equal(1, call.Count);
        Assert.Equal(Chains, TakeAll(bench));
    }

    /// <summary>A driver that polls works while the device does.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Run_MoreChainsThanOneBurst_EachBurstIsShownBeforeTheNext(bool isPacked, bool isInOrder)
    {
        const int Burst = 32;
        using RingBench bench = new(new(isPacked, 128, HasIndirect: false, HasEventIndex: false, isInOrder));
        List<int> seen = [];
        ProbeHost.CountingSignal call = new();
        using Handler handler = new(number => seen.Add(number % Burst == 1 ? TakeAll(bench) : 0));
        Bind(handler, bench, call);
        Add(bench, (2 * Burst) + 2);

        Assert.True(handler.Run());

        Assert.Equal([0, Burst, Burst], seen.Where(static (_, index) => index % Burst == 0));
        Assert.Equal(2, TakeAll(bench));
    }

    private static void Bind(Handler handler, RingBench bench, ISignal call) =>
        handler.Bind(0, bench.Device, call, null!, null!);

    private static void Add(RingBench bench, int chains = Chains)
    {
        GuestRange buffer = bench.Allocate(16);
        for (int count = 0; count < chains; count++)
        {
            Assert.True(bench.Driver.TryAdd([], [buffer], (ulong)count));
        }

        bench.Driver.Publish();
    }

    private static int TakeAll(RingBench bench)
    {
        int count = 0;
        while (bench.Driver.TryTake(out _))
        {
            count++;
        }

        return count;
    }

    /// <summary>Completes each chain at once, and says which it is.</summary>
    private sealed class Handler(Action<int> handling) : QueueHandler
    {
        private int _count;

        protected override void Handle(in DescriptorChain chain)
        {
            _count++;
            handling(_count);
            Complete(chain.Head, writtenBytes: 0);
        }
    }
}
