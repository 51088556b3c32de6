using Vireo.Backends.Block.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Drivers.Block;

/// <summary>The block driver against our own block device in the same process.</summary>
public sealed class BlockDriverTests : IDisposable
{
    private const long CapacitySectors = 2048;

    private readonly LocalLoop _loop = new();
    private readonly MemoryDisk _disk = new(CapacitySectors);

    public static TheoryData<bool, bool, bool> Rings =>
        new()
        {
            { false, true, true },
            { false, false, false },
            { true, true, true },
            { true, false, false },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void WriteAndRead_LongerThanOneTransfer_GivesTheSameBytes(bool isPacked, bool isIndirect, bool hasEventIndex)
    {
        using BlockDriver driver = Open(isPacked, isIndirect, hasEventIndex);
        byte[] written = new byte[700 * 512];
        new Random(1).NextBytes(written);

        driver.Write(512, written);
        driver.Flush();
        byte[] read = new byte[written.Length];
        driver.Read(512, read);

        Assert.Equal(written, read);
        Assert.Equal((ulong)CapacitySectors, driver.CapacitySectors);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 8)]
    [InlineData(3, 30)]
    public void Queue_DepthSmallerThanARequest_StillHoldsOne(int depth, int segments)
    {
        using var driver = BlockDriver.Open(
            new BlockDevice(_disk),
            new()
            {
                Depth = depth,
                SegmentsMax = segments,
                Loop = _loop.Queues,
            }
        );
        DriverBuffer[] buffers = [.. Enumerable.Range(0, driver.SegmentsMax).Select(_ => driver.Memory.Allocate(512))];
        BlockQueue queue = driver.Queue(0);

        Assert.True(queue.TryRead(0, buffers, tag: 1));
        queue.Submit();

        var completions = new BlockCompletion[1];
        Assert.Equal(1, queue.Wait(completions, TimeSpan.FromSeconds(10)));
        Assert.True(completions[0].IsDone);
        Assert.Equal(depth, queue.Depth);
    }

    [Theory]
    [MemberData(nameof(Rings))]
    public void Queue_FullDepthManyTimes_CompletesEachRequestOnce(bool isPacked, bool isIndirect, bool hasEventIndex)
    {
        const int Requests = 5000;
        using BlockDriver driver = Open(isPacked, isIndirect, hasEventIndex);
        BlockQueue queue = driver.Queue(0);
        DriverBuffer buffer = driver.Memory.Allocate(4096);
        int[] seen = new int[Requests];
        int submitted = 0;
        int done = 0;
        var completions = new BlockCompletion[16];
        while (done < Requests)
        {
            while (submitted < Requests && queue.TryRead((ulong)(submitted % 200), in buffer, (ulong)submitted))
            {
                submitted++;
            }

            queue.Submit();
            int count = queue.Wait(completions, TimeSpan.FromSeconds(10));
            Assert.NotEqual(0, count);
            foreach (BlockCompletion completion in completions.AsSpan(0, count))
            {
                Assert.True(completion.IsDone);
                seen[completion.Tag]++;
            }

            done += count;
        }

        Assert.All(seen, static times => Assert.Equal(1, times));
        Assert.Equal(0, queue.InFlight);
    }

    [Fact]
    public void Queue_InSteadyState_AllocatesNothing()
    {
        using BlockDriver driver = Open();
        BlockQueue queue = driver.Queue(0);
        DriverBuffer buffer = driver.Memory.Allocate(4096);
        var completions = new BlockCompletion[16];

        Allocations.AssertNone(() =>
        {
            for (int round = 0; round < 2000; round++)
            {
                for (ulong tag = 0; tag < 8; tag++)
                {
                    queue.TryWrite(tag * 8, in buffer, tag);
                }

                queue.Submit();
                int left = 8;
                while (left > 0)
                {
                    left -= queue.Wait(completions, TimeSpan.FromSeconds(10));
                }
            }
        });
    }

    [Fact]
    public void ScatterAndGather_SeveralBuffers_AreOneRequest()
    {
        using BlockDriver driver = Open();
        BlockQueue queue = driver.Queue(0);
        DriverBuffer first = driver.Memory.Allocate(512);
        DriverBuffer second = driver.Memory.Allocate(1024);
        first.Bytes.Fill(1);
        second.Bytes.Fill(2);
        Assert.True(queue.TryWrite(10, [second, first], tag: 5));
        queue.Submit();
        Assert.Equal([new BlockCompletion(5, BlockStatus.Ok)], WaitForOne(queue));

        byte[] read = new byte[1536];
        driver.Read(10 * 512, read);

        Assert.Equal([2, 2, 1], (byte[])[read[0], read[1023], read[1024]]);
    }

    [Fact]
    public void ZeroesAndDiscard_OfARange_AreDone()
    {
        using BlockDriver driver = Open();
        byte[] ones = new byte[8192];
        Array.Fill(ones, (byte)1);
        driver.Write(0, ones);

        driver.WriteZeroes(512, 1024, mayUnmap: true);
        driver.Discard(4096, 4096);
        byte[] read = new byte[4096];
        driver.Read(0, read);

        Assert.Equal([1, 0, 0, 1], (byte[])[read[511], read[512], read[1535], read[1536]]);
    }

    [Fact]
    [Clause("block.drv.012")]
    public void Requests_BeyondTheEnd_AreNotMade()
    {
        using BlockDriver driver = Open();
        byte[] sectors = new byte[1024];
        DriverBuffer buffer = driver.Memory.Allocate(1024);
        BlockQueue queue = driver.Queue(0);

        Assert.Throws<ArgumentOutOfRangeException>(() => driver.Read((CapacitySectors - 1) * 512, sectors));
        Assert.Throws<ArgumentOutOfRangeException>(() => driver.Write(CapacitySectors * 512, sectors));
        Assert.Throws<ArgumentOutOfRangeException>(() => driver.Discard((CapacitySectors - 1) * 512, 1024));
        Assert.Throws<ArgumentOutOfRangeException>(() => driver.WriteZeroes((CapacitySectors - 1) * 512, 1024));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.TryRead(ulong.MaxValue, in buffer, tag: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.TryWrite(CapacitySectors - 1, [buffer], tag: 1));

        Assert.Equal(0, queue.InFlight);
        driver.Read((CapacitySectors - 2) * 512, sectors);
    }

    [Fact]
    public void Read_NotOfWholeSectors_Throws()
    {
        using BlockDriver driver = Open();
        DriverBuffer odd = driver.Memory.Allocate(100);

        Assert.Throws<ArgumentException>(() => driver.Read(0, new byte[100]));
        Assert.Throws<ArgumentException>(() => driver.Queue(0).TryRead(0, in odd, 0));
        Assert.Equal(0, driver.Queue(0).InFlight);
    }

    [Fact]
    public void ReadSerial_OfOurDevice_IsTheOption()
    {
        using var driver = BlockDriver.Open(
            new BlockDevice(_disk, new() { Serial = "vireo-disk" }),
            new() { Loop = _loop.Queues }
        );

        Assert.Equal("vireo-disk", driver.ReadSerial());
    }

    [Fact]
    public void Open_SeveralQueues_AllCarryRequests()
    {
        BlockDevice device = new(_disk, new() { QueueCount = 4 });
        using var driver = BlockDriver.Open(device, new() { Loop = _loop.Queues, QueueCount = 3 });
        Assert.Equal(3, driver.QueueCount);
        DriverBuffer buffer = driver.Memory.Allocate(512);
        for (int index = 0; index < driver.QueueCount; index++)
        {
            Assert.True(driver.Queue(index).TryRead(0, in buffer, tag: 1));
            driver.Queue(index).Submit();
            Assert.Equal([new BlockCompletion(1, BlockStatus.Ok)], WaitForOne(driver.Queue(index)));
        }
    }

    [Fact]
    public void Wait_NothingInFlight_EndsWithTheTime()
    {
        using BlockDriver driver = Open();

        Assert.Equal(0, driver.Queue(0).Wait(new BlockCompletion[1], TimeSpan.FromMilliseconds(5)));
    }

    [Fact]
    public void MoveTo_AnotherDeviceOfTheSameDisk_GoesOnWhereTheFirstStopped()
    {
        using BlockDriver driver = Open(isPacked: true);
        byte[] sector = new byte[512];
        Array.Fill(sector, (byte)9);
        for (int count = 0; count < 300; count++)
        {
            driver.Write(count * 512, sector);
        }

        driver.Session.MoveTo(new BlockDevice(_disk));
        byte[] read = new byte[300 * 512];
        driver.Read(0, read);

        Assert.All(read, static value => Assert.Equal(9, value));
    }

    [Fact]
    public void MoveTo_DeviceThatOffersLess_IsRefusedAndNothingChanges()
    {
        using BlockDriver driver = Open();
        using MemoryDisk readOnly = new(CapacitySectors, isReadOnly: true);

        Assert.Throws<Vireo.Core.Contract.DeviceException>(() => driver.Session.MoveTo(new BlockDevice(readOnly)));
        driver.Write(0, new byte[512]);
    }

    public void Dispose()
    {
        _disk.Dispose();
        _loop.Dispose();
    }

    private static BlockCompletion[] WaitForOne(BlockQueue queue)
    {
        var completions = new BlockCompletion[2];
        return completions[..queue.Wait(completions, TimeSpan.FromSeconds(10))];
    }

    private BlockDriver Open(bool isPacked = false, bool isIndirect = true, bool hasEventIndex = true) =>
        BlockDriver.Open(
            new BlockDevice(_disk),
            new()
            {
                Loop = _loop.Queues,
                RingFeatures = FeatureSet
                    .Empty.WithIf(CoreFeature.RingPacked, isPacked)
                    .WithIf(CoreFeature.IndirectDescriptors, isIndirect)
                    .WithIf(CoreFeature.EventIndex, hasEventIndex),
            }
        );
}
