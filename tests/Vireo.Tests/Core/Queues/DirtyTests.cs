using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Core.Queues;

/// <summary>What a migration must see: every page that a device wrote, buffers and rings.</summary>
public sealed unsafe class DirtyTests
{
    private readonly byte[] _bitmap = GC.AllocateArray<byte>(1 << 18, pinned: true);

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Complete_MarksEveryWritablePage_AndNoneBefore(bool isPacked, bool isInOrder)
    {
        using RingBench bench = new(new(isPacked, 8, true, false, isInOrder), dirtyLog: Log());
        GuestRange readable = bench.Allocate(4096, 4096);
        GuestRange writable = bench.Allocate(5 * 4096, 4096);
        bench.Driver.TryAdd([readable], [new(writable.Address + 100, 4096), new(writable.Address + 4 * 4096, 1)], 1);
        bench.Driver.Publish();
        ushort head = bench.Pop();
        // The driver may change what it likes in the meantime: what was taken counts.
        bench.Bytes(new(bench.Areas.Descriptors, 16)).Clear();
        bench.Bytes(new(bench.TablesAddress, 16 * 8)).Clear();

        Assert.Empty(Marked(writable));

        // A device may write more than it reports.
        bench.Device.Complete(head, 1);

        Assert.Equal([0, 1, 4], Marked(writable));
        Assert.Empty(Marked(readable));
    }

    [Fact]
    public void Publish_SplitWithRingLog_MarksTheUsedRing()
    {
        using RingBench bench = new(new(false, 1024, true, false, false));
        GuestRange data = bench.Allocate(4);
        // The used ring of 1024 entries takes three pages; it counts as lying elsewhere.
        RingLog log = new(Log(), new(0), new(0x10_0000));
        bench.Device = DeviceQueue.Create(
            bench.Areas,
            QueueState.Fresh,
            bench.Memory,
            bench.Variant.Features,
            log: log
        );
        GuestRange logged = new(new(0x10_0000), 3 * 4096);
        Array.Clear(_bitmap);

        ExchangeMany(bench, data, 500);
        Assert.Equal([0], Marked(logged));
        ExchangeMany(bench, data, 520);
        Assert.Equal([0, 1], Marked(logged));
        ExchangeMany(bench, data, 4);
        Assert.Equal([0, 1, 2], Marked(logged));
        Array.Clear(_bitmap);
        bench.Device.SuppressKicks();
        Assert.Equal([0], Marked(logged));
    }

    [Fact]
    public void Publish_PackedWithRingLog_MarksTheDescriptorRingAndTheEvents()
    {
        using RingBench bench = new(new(true, 600, true, false, false));
        GuestRange data = bench.Allocate(4);
        RingLog log = new(Log(), new(0x10_0000), new(0x20_0000));
        bench.Device = DeviceQueue.Create(
            bench.Areas,
            QueueState.Fresh,
            bench.Memory,
            bench.Variant.Features,
            log: log
        );
        GuestRange ring = new(new(0x10_0000), 3 * 4096);
        GuestRange events = new(new(0x20_0000), 4096);
        Array.Clear(_bitmap);

        ExchangeMany(bench, data, 250);
        Assert.Equal([0], Marked(ring));
        ExchangeMany(bench, data, 20);
        Assert.Equal([0, 1], Marked(ring));
        Assert.Empty(Marked(events));
        bench.Device.SuppressKicks();
        Assert.Equal([0], Marked(events));
    }

    [Fact]
    public void RingLog_AtTheEndOfAddresses_RecordsNothingAndGoesOn()
    {
        using RingBench bench = new(new(false, 8, true, true, false));
        bench.Device = DeviceQueue.Create(
            bench.Areas,
            QueueState.Fresh,
            bench.Memory,
            bench.Variant.Features,
            log: new RingLog(Log(), new(ulong.MaxValue), new(ulong.MaxValue))
        );

        ExchangeMany(bench, bench.Allocate(4), 20);

        Assert.Equal(-1, _bitmap.AsSpan().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Operations_WithDirtyLog_AllocateNothingOnceWarm()
    {
        using RingBench bench = new(new(false, 8, true, false, false), dirtyLog: Log());
        GuestRange data = bench.Allocate(4);
        ExchangeMany(bench, data, 100);

        Allocations.AssertNone(() => ExchangeMany(bench, data, 10_000));
    }

    private static void ExchangeMany(RingBench bench, GuestRange data, int count)
    {
        for (int index = 0; index < count; index++)
        {
            bench.Driver.TryAdd([], [data], 0);
            bench.Driver.Publish();
            if (bench.Device.TryPop(out DescriptorChain chain))
            {
                bench.Device.Complete(chain.Head, 4);
            }

            bench.Device.Publish();
            bench.Driver.TryTake(out _);
        }
    }

    private DirtyLog Log()
    {
        fixed (byte* bitmap = _bitmap)
        {
            return new((nint)bitmap, (ulong)_bitmap.Length);
        }
    }

    /// <summary>Which pages of a range are marked.</summary>
    private int[] Marked(GuestRange range)
    {
        ulong first = range.Address.Value / 4096;
        return
        [
            .. Enumerable
                .Range(0, (int)(range.LengthBytes / 4096))
                .Where(page => (_bitmap[(first + (ulong)page) / 8] >> (int)((first + (ulong)page) % 8) & 1) != 0),
        ];
    }
}
