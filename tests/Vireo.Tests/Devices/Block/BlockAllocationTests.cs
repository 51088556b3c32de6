using Vireo.Backends.Block.Memory;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Homes.Loopback;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>The data plane allocates nothing once its queue runs.</summary>
public sealed class BlockAllocationTests
{
    private const int Requests = 100_000;
    private const int Depth = 32;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Requests_OnceWarm_AllocateNothing(bool isIndirect)
    {
        using MemoryDisk disk = new(16384);
        FeatureSet rings = FeatureSet.Empty.WithIf(CoreFeature.IndirectDescriptors, isIndirect);
        using var home = LoopbackHome.Open(new BlockDevice(disk), new() { RingFeatures = rings });
        GuestRange[] reads = [home.Allocate(BlockBench.Header(BlockRequestType.In, 8))];
        GuestRange[] writes = [home.Allocate(BlockBench.Header(BlockRequestType.Out, 8)), home.Allocate(4096)];
        GuestRange[] room = [home.Allocate(2048), home.Allocate(2048), home.Allocate(1)];
        GuestRange[] status = [home.Allocate(1)];
        Exercise(home, Depth, reads, writes, room, status);

        Allocations.AssertNone(() => Exercise(home, Requests, reads, writes, room, status));
    }

    private static void Exercise(
        LoopbackHome home,
        int count,
        GuestRange[] reads,
        GuestRange[] writes,
        GuestRange[] room,
        GuestRange[] status
    )
    {
        DriverQueue queue = home.Queue(0);
        int done = 0;
        while (done < count)
        {
            for (int index = 0; index < Depth; index += 2)
            {
                Assert.True(queue.TryAdd(reads, room, 0) && queue.TryAdd(writes, status, 1));
            }

            queue.Publish();
            home.Kick(0);
            while (queue.TryTake(out _))
            {
                done++;
            }
        }
    }
}
