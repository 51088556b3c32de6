using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>Chains that are given back many at once, without being taken one by one.</summary>
public sealed class BurstTests
{
    private const ushort QueueSize = 64;

    public static TheoryData<bool, bool> Rings =>
        new()
        {
            { false, false },
            { false, true },
            { true, false },
            { true, true },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void Peek_ReadersAndWriters_ShowsThoseOfOneKind(bool isPacked, bool isInOrder)
    {
        using RingBench bench = new(VariantOf(isPacked, isInOrder));
        GuestRange small = bench.Allocate(10);
        GuestRange large = bench.Allocate(20);
        bench.Driver.TryAdd([small], [], 1);
        bench.Driver.TryAdd([large], [], 2);
        bench.Driver.TryAdd([], [small], 3);
        bench.Driver.TryAdd([small], [large], 4);
        bench.Driver.TryAdd([], [large], 5);
        bench.Driver.Publish();
        DeviceQueue device = bench.Device;

        Assert.Equal(0, device.Peek(MemoryAccess.Write).Length);
        Assert.Equal([10, 20], LengthsOf(device.Peek(MemoryAccess.Read)));
        device.CompletePeeked(2);
        Assert.Equal(0, device.Peek(MemoryAccess.Read).Length);
        Assert.Equal([10], LengthsOf(device.Peek(MemoryAccess.Write)));
        device.CompletePeeked([7]);
        // Of two descriptors: to be taken by itself.
        Assert.Equal(0, device.Peek(MemoryAccess.Read).Length);
        Assert.True(device.TryPop(out DescriptorChain chain));
        device.Complete(chain.Head, 0);
        Assert.Equal([20], LengthsOf(device.Peek(MemoryAccess.Write)));
        device.CompletePeeked([20]);
        Assert.Equal(5, device.UnpublishedChains);
        device.Publish();

        (ulong, uint)[] expected = [(1, 0), (2, 0), (3, 7), (4, 0), (5, 20)];
        foreach ((ulong tag, uint written) in expected)
        {
            Assert.True(bench.Driver.TryTake(out DriverCompletion completion));
            Assert.Equal(tag, completion.Tag);
            Assert.Equal(written, completion.WrittenBytes);
        }

        Assert.Equal(5ul, device.ChainsTaken);
        Assert.Equal(QueueFault.None, device.Fault);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Peek_OlderChainHeldInOrder_ShowsNothing(bool isPacked)
    {
        using RingBench bench = new(VariantOf(isPacked, isInOrder: true));
        GuestRange buffer = bench.Allocate(10);
        bench.Driver.TryAdd([buffer], [], 1);
        bench.Driver.TryAdd([buffer], [], 2);
        bench.Driver.Publish();
        Assert.True(bench.Device.TryPop(out DescriptorChain first));
        ushort head = first.Head;

        Assert.Equal(0, bench.Device.Peek(MemoryAccess.Read).Length);

        bench.Device.Complete(head, 0);
        Assert.Equal(1, bench.Device.Peek(MemoryAccess.Read).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Peek_DirtyLog_ShowsNothing(bool isPacked)
    {
        using OwnedMemory log = new(1 << 20);
        using RingBench bench = new(VariantOf(isPacked), dirtyLog: new(log.Address, log.LengthBytes));
        bench.Driver.TryAdd([], [bench.Allocate(10)], 1);
        bench.Driver.Publish();

        Assert.Equal(0, bench.Device.Peek(MemoryAccess.Write).Length);
        Assert.True(bench.Device.TryPop(out _));
    }

    /// <summary>A head that is in flight is not shown, and breaks the queue when its turn comes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Peek_HeadInFlight_IsLeftForTryPopToRefuse(bool isPacked)
    {
        using RingBench bench = new(VariantOf(isPacked));
        GuestRange buffer = bench.Allocate(10);
        for (ulong tag = 0; tag < 3; tag++)
        {
            bench.Driver.TryAdd([buffer], [], tag);
        }

        bench.Driver.Publish();
        RepeatFirstHead(bench, isPacked, at: 2);
        Assert.True(bench.Device.TryPop(out _));

        Assert.Equal(1, bench.Device.Peek(MemoryAccess.Read).Length);
        bench.Device.CompletePeeked(1);
        Assert.Equal(0, bench.Device.Peek(MemoryAccess.Read).Length);
        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.HeadInFlight, bench.Device.Fault);
        Assert.Equal(0, bench.Device.Peek(MemoryAccess.Read).Length);
    }

    [Fact]
    public void CompletePeeked_MoreThanWereShown_BreaksALaw()
    {
        using RingBench bench = new(VariantOf(isPacked: true));
        bench.Driver.TryAdd([], [bench.Allocate(10)], 1);
        bench.Driver.Publish();
        Assert.Equal(1, bench.Device.Peek(MemoryAccess.Write).Length);

        Assert.Throws<System.Diagnostics.UnreachableException>(() => bench.Device.CompletePeeked([1, 1]));
        Assert.Throws<System.Diagnostics.UnreachableException>(() => bench.Device.CompletePeeked([11]));
    }

    /// <summary>A start that is compared before it is written keeps its values until then; what follows may not.</summary>
    [Theory]
    [InlineData(false, 52, true)]
    [InlineData(true, 52, true)]
    [InlineData(true, 48, false)]
    [InlineData(true, 0, false)]
    [Clause("split-queue.dev.015")]
    public void Peek_StartInALineOfItsOwn_KeepsItsValues(bool isPacked, int offset, bool isKept)
    {
        const byte Untouched = 0xEE;
        using RingBench bench = new(VariantOf(isPacked));
        bench.Device.IsOverwriting = true;
        bench.Device.StartBytes = 12;
        GuestRange line = bench.Allocate(256, alignment: 64);
        bench.Bytes(line).Fill(Untouched);
        bench.Driver.TryAdd([], [new(new(line.Address.Value + (ulong)offset), 150)], 1);
        bench.Driver.Publish();

        Assert.Equal(isKept, bench.Device.Peek(MemoryAccess.Write)[0].IsStartApart(12));

        Span<byte> bytes = bench.Bytes(line);
        Assert.Equal(isKept, bytes.Slice(offset, 12).IndexOfAnyExcept(Untouched) < 0);
        Assert.Equal(-1, bytes[..offset].IndexOfAnyExcept(Untouched));
        Assert.Equal(-1, bytes[(offset + 150)..].IndexOfAnyExcept(Untouched));
        Assert.Equal(-1, bytes.IndexOfAnyExcept(Untouched, (byte)0));
    }

    private static RingVariant VariantOf(bool isPacked, bool isInOrder = false) =>
        new(isPacked, QueueSize, HasIndirect: false, HasEventIndex: false, isInOrder);

    private static int[] LengthsOf(ReadOnlySpan<Segment> segments)
    {
        int[] lengths = new int[segments.Length];
        for (int index = 0; index < lengths.Length; index++)
        {
            lengths[index] = segments[index].Length;
        }

        return lengths;
    }

    /// <summary>Has an entry of the ring name the head of the first one.</summary>
    private static void RepeatFirstHead(RingBench bench, bool isPacked, int at)
    {
        if (isPacked)
        {
            ref PackedDescriptor first = ref bench.At<PackedDescriptor>(bench.Areas.Descriptors);
            bench.At<PackedDescriptor>(new(bench.Areas.Descriptors.Value + (ulong)(16 * at))).Id = first.Id;
        }
        else
        {
            ulong entries = bench.Areas.Driver.Value + SplitRing.EntriesOffset;
            bench.At<Le16>(new(entries + (ulong)(2 * at))) = bench.At<Le16>(new(entries));
        }
    }
}
