using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>The driver side of packed rings against a device that is written by hand, word by word.</summary>
public sealed class PackedDriverQueueTests
{
    private const ushort Size = 5;
    private const ushort Next = DescriptorFlags.Next;
    private const ushort Write = DescriptorFlags.Write;
    private const ushort Indirect = DescriptorFlags.Indirect;
    private const ushort Available = DescriptorFlags.PackedAvailable;
    private const ushort Used = DescriptorFlags.PackedUsed;

    [Fact]
    public void Create_MemoryWithRemains_IsCleared()
    {
        using RingBench bench = Open();
        bench.Bytes(new(bench.Areas.Descriptors, 16 * Size)).Fill(0xff);

        DriverQueue.Create(bench.Areas, bench.Memory, bench.Variant.Features);

        Assert.Equal(-1, bench.Bytes(new(bench.Areas.Descriptors, 16 * Size)).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    [Clause("packed-queue.drv.001")]
    public void Create_AreasMisaligned_AreRefused()
    {
        using RingBench bench = Open();
        QueueAreas areas = bench.Areas;
        Assert.Throws<RingException>(() => Create(bench, areas with { Descriptors = areas.Descriptors + 8 }));
        Assert.Throws<RingException>(() => Create(bench, areas with { Driver = areas.Driver + 2 }));
        Assert.Throws<RingException>(() => Create(bench, areas with { Device = areas.Device + 2 }));
    }

    [Fact]
    [Clause("packed-queue.drv.008", "packed-queue.drv.016")]
    public void Publish_ReadableAndWritable_WritesTheListInThatOrder()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange data = bench.Allocate(100);
        GuestRange[] readable = [new(data.Address, 10), new(data.Address + 10, 20)];
        GuestRange[] writable = [new(data.Address + 30, 30)];
        bench.Driver.TryAdd(readable, writable, 1);
        bench.Driver.Publish();

        Assert.Equal([10u, 20, 30], Positions(3).Select(index => (uint)bench.PackedDescriptor(index).Length.Value));
        Assert.Equal(
            [Next | Available, Next | Available, Write | Available],
            Positions(3).Select(index => (int)bench.PackedDescriptor(index).Flags.Value)
        );
        Assert.Equal(data.Address.Value + 30, bench.PackedDescriptor(2).Address.Value);
    }

    [Fact]
    [Clause("packed-queue.drv.011")]
    public void Publish_FlagsOfTheFirstDescriptor_AreWrittenLast()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([piece, piece], [piece], 1);
        bench.Driver.TryAdd([piece], [], 2);

        Assert.Equal(0, bench.PackedDescriptor(0).Flags.Value);
        Assert.Equal(Next | Available, bench.PackedDescriptor(1).Flags.Value);
        Assert.Equal(Write | Available, bench.PackedDescriptor(2).Flags.Value);

        bench.Driver.Publish();

        Assert.Equal(Next | Available, bench.PackedDescriptor(0).Flags.Value);
    }

    [Fact]
    public void Publish_ListAcrossTheEnd_HasEachRoundsBits()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(4);
        for (int round = 0; round < 3; round++)
        {
            bench.Driver.TryAdd([], [piece], 1);
            bench.Driver.Publish();
            Use(bench, round, bench.PackedDescriptor(round).Id, 4, Available | Used | Write);
            bench.Take();
        }

        bench.Driver.TryAdd([piece], [piece, piece], 2);
        bench.Driver.Publish();

        Assert.Equal(Next | Available, bench.PackedDescriptor(3).Flags.Value);
        Assert.Equal(Next | Write | Available, bench.PackedDescriptor(4).Flags.Value);
        Assert.Equal(Write | Used, bench.PackedDescriptor(0).Flags.Value);

        Use(bench, 3, bench.PackedDescriptor(0).Id, 8, Available | Used | Write);
        Assert.Equal(new(2, 8), bench.Take());
        Assert.Equal(new(7, 1, false), bench.Driver.NotificationData(7));
    }

    [Fact]
    [Clause(
        "core.drv.024",
        "packed-queue.drv.002",
        "packed-queue.drv.003",
        "packed-queue.drv.009",
        "packed-queue.drv.010"
    )]
    public void TryAdd_NoRoom_LeavesTheRingAsItIs()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([piece, piece], [piece], 1);
        bench.Driver.Publish();
        byte[] before = Ring(bench).ToArray();

        // Two are free; what was made available stays as it is.
        Assert.False(bench.Driver.TryAdd([piece, piece, piece], [], 2));
        Assert.False(bench.Driver.Publish());
        Assert.Equal(before, Ring(bench).ToArray());

        Assert.True(bench.Driver.TryAdd([piece, piece], [], 2));
        bench.Driver.Publish();
        Assert.Equal(before.AsSpan(0, 48), Ring(bench)[..48]);
        Assert.False(bench.Driver.TryAdd([piece], [], 3));
    }

    [Fact]
    [Clause("packed-queue.drv.006", "packed-queue.drv.007", "packed-queue.drv.014")]
    public void TryAdd_MorePiecesThanTheQueue_Throws()
    {
        using RingBench bench = Open();
        GuestRange piece = bench.Allocate(1);
        // The tables of the bench have room for eight.
        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([piece, piece, piece, piece, piece, piece], [], 1));
        Assert.Throws<ArgumentException>(() => bench.Driver.TryAdd([], [], 1));
        Assert.True(bench.Driver.TryAdd([piece, piece, piece, piece, piece], [], 1));
    }

    [Fact]
    [Clause("packed-queue.drv.012")]
    public void TryAdd_IndirectNotNegotiated_UsesNoTable()
    {
        using RingBench bench = Open(hasIndirect: false);
        GuestRange piece = bench.Allocate(1);

        Assert.True(bench.Driver.TryAdd([piece, piece], [piece], 1));
        bench.Driver.Publish();

        Assert.Equal(Size - 3, bench.Driver.FreeDescriptors);
        Assert.All(Positions(3), index => Assert.Equal(0, bench.PackedDescriptor(index).Flags & Indirect));
    }

    [Fact]
    [Clause("packed-queue.drv.013", "packed-queue.drv.015")]
    public void TryAdd_Indirect_IsOneDescriptorAndATableOfWriteFlagsOnly()
    {
        using RingBench bench = Open();
        GuestRange piece = bench.Allocate(6);

        Assert.True(bench.Driver.TryAdd([piece, piece], [piece], 1));
        bench.Driver.Publish();

        PackedDescriptor reference = bench.PackedDescriptor(0);
        Assert.Equal(Size - 1, bench.Driver.FreeDescriptors);
        Assert.Equal(Indirect | Available, reference.Flags.Value);
        Assert.Equal(48u, reference.Length.Value);
        int[] flags =
        [
            .. Positions(3)
                .Select(index =>
                    (int)bench.At<PackedDescriptor>(new GuestAddress(reference.Address) + 16 * (uint)index).Flags.Value
                ),
        ];
        Assert.Equal([0, 0, Write], flags);
    }

    [Fact]
    [Clause("packed-queue.drv.004", "packed-queue.drv.005")]
    public void NotificationData_OverSeveralRounds_NamesTheNextPosition()
    {
        using RingBench bench = Open();
        GuestRange piece = bench.Allocate(4);
        for (int step = 0; step < 3 * Size; step++)
        {
            bool isFirstRound = step / Size % 2 == 0;
            uint expected = 9 | (uint)(step % Size) << 16 | (isFirstRound ? 1u << 31 : 0);
            Assert.Equal(expected, bench.Driver.NotificationData(9).Value);
            Assert.Equal(expected, bench.Driver.NotificationData(9).Value);
            bench.Driver.TryAdd([piece], [], 0);
            bench.Driver.Publish();
            Use(bench, step % Size, bench.PackedDescriptor(step % Size).Id, 0, isFirstRound ? Available | Used : 0);
            bench.Take();
        }
    }

    [Fact]
    public void Suppression_WithoutEventIndex_IsEnableAndDisable()
    {
        using RingBench bench = Open();
        Assert.Equal(PackedEventSuppression.Enable, bench.DriverEvents.Flags.Value);
        bench.Driver.SuppressCalls();
        Assert.Equal(PackedEventSuppression.Disable, bench.DriverEvents.Flags.Value);
        bench.Driver.TryArmCalls();
        Assert.Equal(PackedEventSuppression.Enable, bench.DriverEvents.Flags.Value);
    }

    [Fact]
    public void Suppression_WithEventIndex_NamesThePositionAndTheRound()
    {
        using RingBench bench = Open(hasEventIndex: true);
        GuestRange piece = bench.Allocate(4);
        for (int step = 0; step < 3 * Size; step++)
        {
            bool isFirstRound = step / Size % 2 == 0;
            Assert.True(bench.Driver.TryArmCalls());
            Assert.Equal(PackedEventSuppression.Descriptor, bench.DriverEvents.Flags.Value);
            Assert.Equal(step % Size | (isFirstRound ? 0x8000 : 0), bench.DriverEvents.OffsetAndWrap.Value);
            bench.Driver.TryAdd([piece], [], 0);
            bench.Driver.Publish();
            Use(bench, step % Size, bench.PackedDescriptor(step % Size).Id, 0, isFirstRound ? Available | Used : 0);
            Assert.False(bench.Driver.TryArmCalls());
            bench.Take();
        }
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(0, 1, false)]
    [InlineData(0, 3, true)]
    [InlineData(3 | 0x8000, 2, true)]
    [InlineData(4 | 0x8000, 2, true)]
    [InlineData(0, 2, true)]
    [InlineData(2 | 0x8000, 2, false)]
    [InlineData(1, 2, false)]
    [InlineData(0 | 0x8000, 2, false)]
    [InlineData(0xffff, 2, false)]
    public void Publish_ThreeDescriptorsAcrossTheEnd_KicksAsAskedFor(int offsetAndWrap, int flags, bool isKicked)
    {
        using RingBench bench = Open(hasEventIndex: true);
        GuestRange piece = bench.Allocate(4);
        for (int position = 0; position < 3; position++)
        {
            bench.Driver.TryAdd([piece], [], 0);
            bench.Driver.Publish();
            Use(bench, position, bench.PackedDescriptor(position).Id, 0, Available | Used);
            bench.Take();
        }

        bench.DeviceEvents = new() { OffsetAndWrap = (ushort)offsetAndWrap, Flags = (ushort)flags };
        for (int count = 0; count < 3; count++)
        {
            bench.Driver.TryAdd([piece], [], 0);
        }

        Assert.Equal(isKicked, bench.Driver.Publish());
    }

    [Fact]
    public void TryTake_LengthWithoutWriteFlag_MeansNothing()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([bench.Allocate(4)], [], 3);
        bench.Driver.Publish();
        Use(bench, 0, bench.PackedDescriptor(0).Id, 4, Available | Used);

        Assert.Equal(new(3, 0), bench.Take());
    }

    [Fact]
    public void TryTake_UnusedOrOfAnotherRound_FindsNothing()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([], [bench.Allocate(4)], 3);
        bench.Driver.Publish();
        foreach (int flags in new int[] { 0, Available, Used })
        {
            bench.PackedDescriptor(0).Flags = (ushort)flags;
            Assert.False(bench.Driver.TryTake(out _));
        }

        Assert.Equal(UsedFault.None, bench.Driver.Fault);
    }

    [Fact]
    public void TryTake_UsedWithoutAnythingAvailable_FindsNothing()
    {
        using RingBench bench = Open();
        Use(bench, 0, 0, 0, Available | Used);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.None, bench.Driver.Fault);
    }

    [Theory]
    [InlineData(Size)]
    [InlineData(ushort.MaxValue)]
    [InlineData(3)]
    public void TryTake_IdOfNoBuffer_Faults(int id) =>
        AssertFault(UsedFault.UnknownBuffer, bench => Use(bench, 0, (ushort)id, 0, Available | Used));

    [Theory]
    [InlineData(5u)]
    [InlineData(uint.MaxValue)]
    public void TryTake_MoreBytesThanTheBufferHas_Faults(uint length) =>
        AssertFault(
            UsedFault.LengthBeyondBuffer,
            bench => Use(bench, 0, bench.PackedDescriptor(0).Id, length, Available | Used | Write)
        );

    [Fact]
    [Clause("packed-queue.dev.003")]
    public void TryTake_UsedDescriptorsAppearBackwards_AreTakenInTheirPlace()
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([], [bench.Allocate(4)], 1);
        bench.Driver.TryAdd([], [bench.Allocate(4)], 2);
        bench.Driver.Publish();
        ushort first = bench.PackedDescriptor(0).Id;
        ushort second = bench.PackedDescriptor(1).Id;

        Use(bench, 1, second, 2, Available | Used | Write);
        Assert.False(bench.Driver.TryTake(out _));
        Use(bench, 0, first, 1, Available | Used | Write);

        Assert.Equal(new(1, 1), bench.Take());
        Assert.Equal(new(2, 2), bench.Take());
    }

    [Fact]
    public void InOrder_OneDescriptorForSeveral_GivesEachItsLengthAndSkipsThem()
    {
        using RingBench bench = Open(hasIndirect: false, isInOrder: true);
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([piece], [piece], 0);
        bench.Driver.TryAdd([], [piece], 1);
        bench.Driver.TryAdd([], [piece], 2);
        bench.Driver.Publish();
        Use(bench, 0, bench.PackedDescriptor(3).Id, 2, Available | Used | Write);

        Assert.Equal(new(0, 4), bench.Take());
        Assert.False(bench.Driver.TryArmCalls());
        Assert.Equal(new(1, 4), bench.Take());
        Assert.Equal(new(2, 2), bench.Take());
        Assert.True(bench.Driver.TryArmCalls());
        Assert.Equal(Size, bench.Driver.FreeDescriptors);
    }

    [Fact]
    public void InOrder_BatchEndsWithWhatWasNotPublished_Faults()
    {
        using RingBench bench = Open(isInOrder: true);
        GuestRange piece = bench.Allocate(4);
        bench.Driver.TryAdd([], [piece], 0);
        bench.Driver.Publish();
        bench.Driver.TryAdd([], [piece], 1);
        Use(bench, 0, bench.PackedDescriptor(1).Id, 2, Available | Used | Write);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(UsedFault.UnknownBuffer, bench.Driver.Fault);
    }

    private static RingBench Open(bool hasIndirect = true, bool hasEventIndex = false, bool isInOrder = false) =>
        new(new(true, Size, hasIndirect, hasEventIndex, isInOrder));

    private static DriverQueue Create(RingBench bench, QueueAreas areas) =>
        DriverQueue.Create(areas, bench.Memory, bench.Variant.Features);

    private static IEnumerable<int> Positions(int count) => Enumerable.Range(0, count);

    private static Span<byte> Ring(RingBench bench) => bench.Bytes(new(bench.Areas.Descriptors, 16 * Size));

    /// <summary>Plays the device: writes a used descriptor.</summary>
    private static void Use(RingBench bench, int position, ushort id, uint length, int flags) =>
        bench.PackedDescriptor(position) = new()
        {
            Id = id,
            Length = length,
            Flags = (ushort)flags,
        };

    private static void AssertFault(UsedFault expected, Action<RingBench> breakRing)
    {
        using RingBench bench = Open();
        bench.Driver.TryAdd([], [bench.Allocate(4)], 1);
        bench.Driver.Publish();
        breakRing(bench);

        Assert.False(bench.Driver.TryTake(out _));

        Assert.Equal(expected, bench.Driver.Fault);
        Assert.Equal(1, bench.Driver.InFlight);

        // Latched: a good descriptor is not taken any more, and nothing is added.
        Use(bench, 0, 0, 0, Available | Used);
        Assert.False(bench.Driver.TryTake(out _));
        Assert.False(bench.Driver.TryAdd([], [bench.Allocate(4)], 2));
        Assert.False(bench.Driver.Publish());
        Assert.True(bench.Driver.TryArmCalls());
        Assert.Equal(expected, bench.Driver.Fault);
    }
}
