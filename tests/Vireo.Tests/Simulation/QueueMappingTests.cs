using Vireo.Linux.Events;

namespace Vireo.Tests.Simulation;

/// <summary>Queues on threads, in virtual time: each thread takes a turn of one of its queues after the other.</summary>
public sealed class QueueMappingTests
{
    private const int QueuesMax = 64;

    /// <summary>Chains a queue has to serve, and how many of them a turn takes (QueueHandler's bound).</summary>
    private const int ChainsPerQueue = 2048;
    private const int ChainsPerTurn = 256;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(16)]
    public void AllQueuesBusy_AnyNumberOfThem_WorkDividesEvenly(int threads)
    {
        using var loops = EventLoopGroup.Start(threads);
        for (int queues = 1; queues <= QueuesMax; queues++)
        {
            long[] ends = Simulate(loops, queues, static _ => ChainsPerQueue);
            long makespan = ends.Max();
            int most = (queues + threads - 1) / threads;

            // As fast as any placement of whole queues can be: linear wherever the queues divide by the threads.
            Assert.Equal((long)most * ChainsPerQueue, makespan);
            if (queues % threads == 0)
            {
                Assert.Equal((long)queues * ChainsPerQueue, makespan * threads);
            }

            // Queues of one thread end within a turn of each other's: nobody starves.
            for (int queue = 0; queue < queues; queue++)
            {
                int together = (queues - queue % threads + threads - 1) / threads;
                Assert.InRange(
                    ends[queue],
                    (long)together * (ChainsPerQueue - ChainsPerTurn),
                    (long)together * ChainsPerQueue
                );
            }
        }
    }

    [Fact]
    public void OneQueueBusy_TheOthersIdle_CostsTheIdleOnesNothing()
    {
        using var loops = EventLoopGroup.Start(4);
        for (int busy = 0; busy < QueuesMax; busy++)
        {
            long[] ends = Simulate(loops, QueuesMax, queue => queue == busy ? ChainsPerQueue : 0);

            Assert.Equal(ChainsPerQueue, ends[busy]);
        }
    }

    /// <summary>Runs the queues on the loops that own them.</summary>
    /// <returns>When each queue had served its last chain; a chain takes 1.</returns>
    private static long[] Simulate(EventLoopGroup loops, int queues, Func<int, int> workOf)
    {
        long[] ends = new long[queues];
        int[] left = [.. Enumerable.Range(0, queues).Select(workOf)];
        ILookup<EventLoop, int> owners = Enumerable.Range(0, queues).ToLookup(queue => loops[queue]);
        Assert.Equal(Math.Min(queues, loops.Count), owners.Count);
        foreach (IGrouping<EventLoop, int> owned in owners)
        {
            long now = 0;
            while (owned.Any(queue => left[queue] > 0))
            {
                foreach (int queue in owned)
                {
                    int turn = Math.Min(left[queue], ChainsPerTurn);
                    now += turn;
                    left[queue] -= turn;
                    ends[queue] = turn > 0 ? now : ends[queue];
                }
            }
        }

        return ends;
    }
}
