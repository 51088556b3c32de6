using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>The driver side of split rings against a device that is written by hand, word by word.</summary>
public sealed class SplitDriverQueueTests
{
    private const ushort Size = 8;
    private const ushort Next = DescriptorFlags.Next;
    private const ushort Write = DescriptorFlags.Write;
    private const ushort Indirect = DescriptorFlags.Indirect;

    [Fact]
    [Clause("split-queue.drv.018")]
    public void Create_MemoryWithRemains_IsCleared()
    {
        using RingBench bench = Open();
        bench.UsedFlags = 1;
        bench.UsedIndex = 77;
        bench.AvailableIndex = 5;
        bench.AvailableFlags = 1;

        DriverQueue.Create(bench.Areas, bench.Memory, bench.Variant.Features);

        Assert.Equal(0, bench.UsedFlags.Value);
        Assert.Equal(0, bench.UsedIndex.Value);
        Assert.Equal(0, bench.AvailableIndex.Value);
        Assert.Equal(0, bench.AvailableFlags.Value);
    }

    [Fact]
    [Clause("split-queue.drv.001")]
    public void Create_AreasMisaligned_AreRefused()
    {
        using RingBench bench = Open();
        QueueAreas areas = bench.Areas;
        Assert.Throws<RingException>(() => Create(bench, areas with { Descriptors = areas.Descriptors + 8 }));
        Assert.Throws<RingException>(() => Create(bench, areas with { Driver = areas.Driver + 1 }));
        Assert.Throws<RingException>(() => Create(bench, areas with { Device = areas.Device + 2 }));
    }

    [Fact]
    [Clause("split-queue.drv.002")]
    public void TryAdd_ReadableAndWritable_WritesTheChainInThatOrder()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange data = bench.Allocate(100);
        GuestRange[] readable = [Part(data, 0, 10), Part(data, 10, 20)];
        GuestRange[] writable = [Part(data, 30, 30), Part(data, 60, 40)];

        Assert.True(bench.Driver.TryAdd(readable, writable, 1));

        SplitDescriptor[] chain = ChainAt(bench, bench.AvailableEntry(0));
        Assert.Equal([10u, 20, 30, 40], chain.Select(static descriptor => descriptor.Length.Value));
        Assert.Equal(
            [data.Address.Value, data.Address.Value + 10, data.Address.Value + 30, data.Address.Value + 60],
            chain.Select(static descriptor => descriptor.Address.Value)
        );
        Assert.Equal([Next, Next, Next | Write, Write], chain.Select(static descriptor => (int)descriptor.Flags.Value));
    }

    [Fact]
    [Clause("split-queue.drv.004")]
    public void TryAdd_BuffersOf4GiB_Throws()
    {
        using RingBench bench = Open();
        GuestRange half = new(new(RingBench.Base), 0x8000_0000);

        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([half], [half], 1));
        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([half, half], [], 1));

        Assert.Equal(Size, bench.Driver.FreeDescriptors);
        Assert.True(bench.Driver.TryAdd([half], [half with { LengthBytes = 0x7fff_ffff }], 1));
    }

    [Fact]
    [Clause("split-queue.drv.008")]
    public void TryAdd_MorePiecesThanTheQueue_Throws()
    {
        using RingBench bench = new(new(false, 4, true, false, false));
        GuestRange piece = bench.Allocate(1);
        // The tables of the bench have room for eight.
        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([piece, piece, piece, piece, piece], [], 1));
        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([], [], 1));
        Assert.True(bench.Driver.TryAdd([piece, piece, piece, piece], [], 1));
    }

    [Fact]
    [Clause("split-queue.drv.006")]
    public void TryAdd_IndirectNotNegotiated_UsesNoTable()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(1);

        Assert.True(bench.Driver.TryAdd([piece, piece, piece], [piece], 1));

        Assert.Equal(Size - 4, bench.Driver.FreeDescriptors);
        Assert.All(
            ChainAt(bench, bench.AvailableEntry(0)),
            static descriptor => Assert.Equal(0, descriptor.Flags & Indirect)
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Clause("split-queue.drv.007", "split-queue.drv.009", "split-queue.drv.010")]
    public void TryAdd_Indirect_WritesOneTableInSequence(bool isInOrder)
    {
        using RingBench bench = Open(hasIndirect: true, isInOrder: isInOrder);
        GuestRange piece = bench.Allocate(1);
        for (int round = 0; round < 3 * Size; round++)
        {
            int pieces = 2 + round % 7;
            GuestRange[] writable = [.. Enumerable.Repeat(piece, pieces - 1)];
            Assert.True(bench.Driver.TryAdd([piece], writable, 1));
            bench.Driver.Publish();

            ushort head = bench.AvailableEntry(round % Size);
            SplitDescriptor reference = bench.SplitDescriptor(head);
            Assert.Equal(Indirect, reference.Flags.Value);
            Assert.Equal((uint)pieces * 16, reference.Length.Value);
            for (int index = 0; index < pieces; index++)
            {
                SplitDescriptor entry = bench.At<SplitDescriptor>(
                    new GuestAddress(reference.Address) + 16 * (uint)index
                );
                bool isLast = index == pieces - 1;
                Assert.Equal((isLast ? 0 : Next) | (index > 0 ? Write : 0), entry.Flags.Value);
                Assert.Equal(isLast ? 0 : index + 1, entry.Next.Value);
            }

            Use(bench, round, head, 0);
            bench.Take();
        }
    }

    [Fact]
    [Clause("split-queue.drv.005")]
    public void TryAdd_InOrder_TakesDescriptorsInTheOrderOfTheTable()
    {
        using RingBench bench = Open(hasIndirect: false, isInOrder: true);
        GuestRange piece = bench.Allocate(1);
        int expectedHead = 0;
        for (int round = 0; round < 5 * Size; round++)
        {
            int pieces = 1 + round % 5;
            GuestRange[] readable = [.. Enumerable.Repeat(piece, pieces)];
            Assert.True(bench.Driver.TryAdd(readable, [], 1));
            bench.Driver.Publish();
            ushort head = bench.AvailableEntry(round % Size);
            Assert.Equal(expectedHead, head);
            for (int index = 0; index < pieces - 1; index++)
            {
                int at = (head + index) % Size;
                Assert.Equal((at + 1) % Size, bench.SplitDescriptor(at).Next.Value);
            }

            expectedHead = (expectedHead + pieces) % Size;
            Use(bench, round, head, 0);
            bench.Take();
        }
    }

    [Fact]
    [Clause("split-queue.drv.011", "split-queue.drv.026", "split-queue.any.001")]
    public void Publish_AfterSeveralAdds_MovesTheIndexForwardByTheirNumber()
    {
        using RingBench bench = Open();
        GuestRange piece = bench.Allocate(1);
        ushort expected = 0;
        for (int round = 0; round < 20_000; round++)
        {
            int count = 1 + round % Size;
            for (int index = 0; index < count; index++)
            {
                Assert.True(bench.Driver.TryAdd([piece], [], 0));
                Assert.Equal(expected, bench.AvailableIndex.Value);
            }

            bench.Driver.Publish();
            ushort before = expected;
            expected = unchecked((ushort)(expected + count));
            Assert.Equal(expected, bench.AvailableIndex.Value);
            for (int index = 0; index < count; index++)
            {
                int number = unchecked((ushort)(before + index));
                Use(bench, number, bench.AvailableEntry(number % Size), 0);
                bench.Take();
            }
        }
    }

    [Fact]
    [Clause("split-queue.drv.019", "split-queue.drv.020", "split-queue.drv.021")]
    public void Publish_WithoutEventIndex_GoesByTheFlagAndIgnoresAvailableEvent()
    {
        using RingBench bench = Open();
        int number = 0;
        foreach (ushort availableEvent in new ushort[] { 0, 1, 2, ushort.MaxValue })
        {
            bench.AvailableEvent = availableEvent;
            bench.UsedFlags = SplitRing.NoNotify;
            Assert.False(SendOne(bench, number++));
            bench.UsedFlags = 0;
            Assert.True(SendOne(bench, number++));
        }
    }

    [Fact]
    [Clause("split-queue.drv.022", "split-queue.drv.023", "split-queue.drv.024")]
    public void Publish_WithEventIndex_GoesByAvailableEventAndIgnoresTheFlag()
    {
        using RingBench bench = Open(hasEventIndex: true);
        for (int round = 0; round < 70_000; round++)
        {
            ushort index = unchecked((ushort)round);
            bench.UsedFlags = (ushort)(round & 1);
            bench.AvailableEvent = round % 3 == 0 ? index : unchecked((ushort)(index + 1 + round % 3));
            Assert.Equal(round % 3 == 0, SendOne(bench, index));
        }
    }

    [Fact]
    [Clause("split-queue.drv.012", "split-queue.drv.013")]
    public void Suppression_WithoutEventIndex_IsTheFlag()
    {
        using RingBench bench = Open();
        Assert.Equal(0, bench.AvailableFlags.Value);
        bench.Driver.SuppressCalls();
        Assert.Equal(1, bench.AvailableFlags.Value);
        bench.Driver.TryArmCalls();
        Assert.Equal(0, bench.AvailableFlags.Value);
    }

    [Fact]
    [Clause("split-queue.drv.014", "split-queue.drv.015")]
    public void Suppression_WithEventIndex_IsUsedEventAndTheFlagStaysZero()
    {
        using RingBench bench = Open(hasEventIndex: true);
        for (int round = 0; round < 20; round++)
        {
            bench.Driver.SuppressCalls();
            Assert.Equal(0, bench.AvailableFlags.Value);
            SendOne(bench, round);
            Assert.True(bench.Driver.TryArmCalls());
            Assert.Equal(round + 1, bench.UsedEvent.Value);
            Assert.Equal(0, bench.AvailableFlags.Value);
        }
    }

    [Fact]
    [Clause("split-queue.drv.016")]
    public void TryTake_AfterCallsForNothing_FindsNothingAndGoesOn()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([], [bench.Allocate(4)], 9);
        bench.Driver.Publish();
        for (int call = 0; call < 10; call++)
        {
            Assert.False(bench.Driver.TryTake(out _));
            Assert.True(bench.Driver.TryArmCalls());
        }

        Use(bench, 0, bench.AvailableEntry(0), 3);
        Assert.Equal(new(9, 3), bench.Take());
    }

    [Fact]
    public void TryTake_DescriptorsOverwrittenByTheDevice_FreeListIsWhole()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(1);
        GuestRange table = new(bench.Areas.Descriptors, 16 * Size);
        for (int round = 0; round < 50; round++)
        {
            Assert.True(bench.Driver.TryAdd([piece, piece], [piece], 1));
            Assert.True(bench.Driver.TryAdd([piece], [piece, piece], 2));
            bench.Driver.Publish();
            ushort first = bench.AvailableEntry(2 * round % Size);
            ushort second = bench.AvailableEntry((2 * round + 1) % Size);
            bench.Bytes(table).Fill((byte)round);
            Use(bench, 2 * round, second, 0);
            Use(bench, 2 * round + 1, first, 0);
            Assert.Equal(2u, bench.Take().Tag);
            Assert.Equal(1u, bench.Take().Tag);
            Assert.Equal(Size, bench.Driver.FreeDescriptors);
        }
    }

    [Theory]
    [InlineData(false, 4)]
    [InlineData(true, 1)]
    [Clause("split-queue.drv.003")]
    public void TryAdd_FourPieces_TakesNoMoreDescriptorsThanItMust(bool hasIndirect, int descriptors)
    {
        using RingBench bench = Open(hasIndirect);
        GuestRange piece = bench.Allocate(1);

        Assert.True(bench.Driver.TryAdd([piece, piece], [piece, piece], 1));

        Assert.Equal(Size - descriptors, bench.Driver.FreeDescriptors);
    }

    [Fact]
    [Clause("core.drv.024")]
    public void TryAdd_OthersAreWithTheDevice_LeavesTheirEntriesAsTheyAre()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([piece, piece], [piece], 1);
        bench.Driver.Publish();
        byte[] before = bench.Bytes(new(bench.Areas.Descriptors, 3 * 16)).ToArray();
        ushort head = bench.AvailableEntry(0);
        Assert.Equal(0, head);

        Assert.True(bench.Driver.TryAdd([piece, piece, piece], [piece], 2));
        bench.Driver.Publish();
        Assert.False(bench.Driver.TryAdd([piece, piece], [], 3));

        Assert.Equal(before, bench.Bytes(new(bench.Areas.Descriptors, 3 * 16)).ToArray());
        Assert.Equal(head, bench.AvailableEntry(0).Value);
    }

    [Fact]
    [Clause("split-queue.drv.025")]
    public void Publish_OneByOne_EachHeadStandsAtTheIndexModuloTheSize()
    {
        using RingBench bench = Open();
        for (int round = 0; round < 3 * Size; round++)
        {
            GuestRange data = bench.Allocate(4);
            Assert.True(bench.Driver.TryAdd([], [data], 1));
            bench.Driver.Publish();

            ushort head = bench.AvailableEntry(round % Size);
            Assert.Equal(round + 1, bench.AvailableIndex.Value);
            Assert.Equal(data.Address.Value, bench.SplitDescriptor(head).Address.Value);
            Use(bench, round, head, 0);
            bench.Take();
        }
    }

    [Fact]
    [Clause("split-queue.dev.015", "split-queue.drv.017")]
    public void TryTake_DeviceWroteMoreThanItSays_ReportsWhatItSays()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(8);
        bench.Driver.TryAdd([], [data], 5);
        bench.Driver.Publish();
        bench.Bytes(data).Fill(0x77);
        Use(bench, 0, bench.AvailableEntry(0), 3);

        Assert.Equal(new(5, 3), bench.Take());
        Assert.Equal(UsedFault.None, bench.Driver.Fault);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(Size)]
    [InlineData(ushort.MaxValue)]
    public void TryTake_UsedIndexBeyondWhatIsAvailable_Faults(int usedIndex) =>
        AssertFault(UsedFault.IndexJump, (bench, _) => bench.UsedIndex = (ushort)usedIndex);

    [Fact]
    public void TryTake_UsedIndexCoversWhatWasNotPublished_Faults()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([bench.Allocate(1)], [], 1);
        Use(bench, 0, bench.AvailableEntry(0), 0);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.IndexJump, bench.Driver.Fault);
    }

    [Fact]
    public void TryTake_BufferThatWasNotPublished_Faults()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([bench.Allocate(1)], [], 1);
        bench.Driver.Publish();
        bench.Driver.TryAdd([bench.Allocate(1)], [], 2);
        Use(bench, 0, bench.AvailableEntry(1), 0);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.UnknownBuffer, bench.Driver.Fault);
    }

    [Fact]
    public void TryTake_HeadOutsideTable_Faults() =>
        AssertFault(UsedFault.UnknownBuffer, static (bench, _) => Use(bench, 0, Size, 0));

    [Fact]
    public void TryTake_HeadOfNoBuffer_Faults() =>
        AssertFault(UsedFault.UnknownBuffer, static (bench, head) => Use(bench, 0, (ushort)((head + 1) % Size), 0));

    [Fact]
    public void TryTake_HeadAbove16Bits_Faults() =>
        AssertFault(
            UsedFault.UnknownBuffer,
            static (bench, head) =>
            {
                bench.UsedEntry(0) = new() { Id = 0x10000u + head };
                bench.UsedIndex = 1;
            }
        );

    [Fact]
    public void TryTake_SameBufferTwice_Faults()
    {
        using RingBench bench = Open();
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([piece], [], 1);
        bench.Driver.TryAdd([piece], [], 2);
        bench.Driver.Publish();
        Use(bench, 0, bench.AvailableEntry(0), 0);
        Use(bench, 1, bench.AvailableEntry(0), 0);
        bench.Take();

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.UnknownBuffer, bench.Driver.Fault);
    }

    [Theory]
    [InlineData(5u)]
    [InlineData(uint.MaxValue)]
    public void TryTake_MoreBytesThanTheBufferHas_Faults(uint length) =>
        AssertFault(UsedFault.LengthBeyondBuffer, (bench, head) => Use(bench, 0, head, length));

    [Fact]
    public void InOrder_OneEntryForSeveral_GivesEachItsLength()
    {
        using RingBench bench = Open(isInOrder: true);
        ushort[] heads = SendMany(bench, 4);
        bench.UsedEntry(0) = new() { Id = heads[2], Length = 1 };
        bench.UsedIndex = 3;

        Assert.False(bench.Driver.TryArmCalls());
        Assert.Equal(new(0, 4), bench.Take());
        Assert.False(bench.Driver.TryArmCalls());
        Assert.Equal(new(1, 4), bench.Take());
        Assert.Equal(new(2, 1), bench.Take());
        Assert.True(bench.Driver.TryArmCalls());
        Assert.False(bench.Driver.TryTake(out _));
        Use(bench, 3, heads[3], 4);
        Assert.Equal(new(3, 4), bench.Take());
    }

    [Fact]
    public void InOrder_BatchEndsBeyondTheUsedIndex_Faults()
    {
        using RingBench bench = Open(isInOrder: true);
        ushort[] heads = SendMany(bench, 4);
        bench.UsedEntry(0) = new() { Id = heads[2], Length = 1 };
        bench.UsedIndex = 2;

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.OutOfOrder, bench.Driver.Fault);
    }

    [Fact]
    public void InOrder_BatchEndsWithNoBuffer_Faults()
    {
        using RingBench bench = Open(isInOrder: true);
        SendMany(bench, 2);
        bench.UsedEntry(0) = new() { Id = 5, Length = 1 };
        bench.UsedIndex = 2;

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.UnknownBuffer, bench.Driver.Fault);
    }

    private static RingBench Open(bool hasIndirect = true, bool hasEventIndex = false, bool isInOrder = false) =>
        new(new(false, Size, hasIndirect, hasEventIndex, isInOrder));

    private static DriverQueue Create(RingBench bench, QueueAreas areas) =>
        DriverQueue.Create(areas, bench.Memory, bench.Variant.Features);

    private static GuestRange Part(GuestRange range, uint start, uint length) => new(range.Address + start, length);

    private static SplitDescriptor[] ChainAt(RingBench bench, ushort head)
    {
        List<SplitDescriptor> chain = [];
        SplitDescriptor descriptor = bench.SplitDescriptor(head);
        while (chain.Count < Size && (descriptor.Flags & Next) != 0)
        {
            chain.Add(descriptor);
            descriptor = bench.SplitDescriptor(descriptor.Next);
        }

        chain.Add(descriptor);
        return [.. chain];
    }

    /// <summary>Plays the device: uses a buffer as the entry with a number.</summary>
    private static void Use(RingBench bench, int number, ushort head, uint length)
    {
        bench.UsedEntry(number % bench.Areas.Size) = new() { Id = head, Length = length };
        bench.UsedIndex = unchecked((ushort)(number + 1));
    }

    /// <summary>Sends one buffer through.</summary>
    /// <returns>Whether the driver wants to kick.</returns>
    private static bool SendOne(RingBench bench, int number)
    {
        bench.Driver.TryAdd([new(new(RingBench.Base), 1)], [], 0);
        bool isKicked = bench.Driver.Publish();
        Use(bench, number, bench.AvailableEntry(number % Size), 0);
        bench.Take();
        return isKicked;
    }

    /// <summary>Makes buffers of 4 bytes available, tagged by number.</summary>
    private static ushort[] SendMany(RingBench bench, int count)
    {
        GuestRange data = bench.Allocate(4);
        for (int index = 0; index < count; index++)
        {
            bench.Driver.TryAdd([], [data], (ulong)index);
        }

        bench.Driver.Publish();
        return [.. Enumerable.Range(0, count).Select(index => bench.AvailableEntry(index).Value)];
    }

    private static void AssertFault(UsedFault expected, Action<RingBench, ushort> breakRing)
    {
        using RingBench bench = Open();
        ushort head = SendMany(bench, 1)[0];
        breakRing(bench, head);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(expected, bench.Driver.Fault);
        Assert.Equal(1, bench.Driver.InFlight);

        // Latched: a good entry is not taken any more, and nothing is added.
        Use(bench, 0, head, 0);
        Assert.False(bench.Driver.TryTake(out _));
        Assert.False(bench.Driver.TryAdd([], [bench.Allocate(4)], 2));
        Assert.False(bench.Driver.Publish());
        Assert.True(bench.Driver.TryArmCalls());
        Assert.Equal(expected, bench.Driver.Fault);
    }
}
