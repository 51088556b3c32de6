using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>The device side of packed rings against a driver that is written by hand, word by word.</summary>
public sealed class PackedDeviceQueueTests
{
    private const ushort Size = 5;
    private const ushort Next = DescriptorFlags.Next;
    private const ushort Write = DescriptorFlags.Write;
    private const ushort Indirect = DescriptorFlags.Indirect;
    private const ushort Available = DescriptorFlags.PackedAvailable;
    private const ushort Used = DescriptorFlags.PackedUsed;

    [Fact]
    [Clause("packed-queue.dev.007", "packed-queue.dev.009")]
    public void TryPop_ListByHand_YieldsItsSegmentsInOrderAndTheLastId()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(100);
        Put(bench, 0, data.Address, 10, 4, Next | Available);
        Put(bench, 1, data.Address + 20, 30, 4, Next | Write | Available);
        Put(bench, 2, data.Address + 60, 40, 2, Write | Available);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(2, chain.Head);
        Assert.Equal(10u, chain.ReadableBytes);
        Assert.Equal(70u, chain.WritableBytes);
        Assert.True(bench.Bytes(data)[..10] == chain.Readable[0].Bytes);
        Assert.True(bench.Bytes(data).Slice(20, 30) == chain.Writable[0].Bytes);
        Assert.True(bench.Bytes(data).Slice(60, 40) == chain.Writable[1].Bytes);
    }

    [Fact]
    [Clause("packed-queue.dev.005")]
    public void TryPop_AvailableBitAsBefore_TakesNothing()
    {
        using RingBench bench = Open();
        Assert.False(bench.Device.TryPop(out _));

        // Both bits set is what a used descriptor looks like in the first round.
        Put(bench, 0, new(RingBench.Base), 4, 0, Available | Used);
        Assert.False(bench.Device.TryPop(out _));

        // As in the next round, while this one has not begun.
        Put(bench, 0, new(RingBench.Base), 4, 0, Used);
        Assert.False(bench.Device.TryPop(out _));

        Put(bench, 0, new(RingBench.Base), 4, 0, Available);
        Assert.True(bench.Device.TryPop(out _));
        // The next one still shows the first round's zeros.
        Assert.False(bench.Device.TryPop(out _));
        Assert.Equal(QueueFault.None, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_SecondRound_WantsTheBitsInverted()
    {
        using RingBench bench = Open();
        for (int position = 0; position < Size; position++)
        {
            Put(bench, position, new(RingBench.Base), 4, 0, Available | Write);
            bench.Device.Complete(bench.Pop(), 4);
            bench.Device.Publish();
        }

        Put(bench, 0, new(RingBench.Base), 4, 0, Available | Write);
        Assert.False(bench.Device.TryPop(out _));
        Put(bench, 0, new(RingBench.Base), 4, 0, Used | Write);
        Assert.True(bench.Device.TryPop(out DescriptorChain chain));
        bench.Device.Complete(chain.Head, 4);
        bench.Device.Publish();

        Assert.Equal(Write, bench.PackedDescriptor(0).Flags.Value);
    }

    [Fact]
    public void TryPop_ListAcrossTheEnd_IsTakenWithBothRoundsBits()
    {
        using RingBench bench = Open();
        for (int position = 0; position < Size - 1; position++)
        {
            Put(bench, position, new(RingBench.Base), 4, 0, Available);
            bench.Device.Complete(bench.Pop(), 0);
            bench.Device.Publish();
        }

        Put(bench, 0, new(RingBench.Base), 5, 3, Used | Write);
        Put(bench, Size - 1, new(RingBench.Base), 4, 3, Available | Next);
        Assert.True(bench.Device.TryPop(out DescriptorChain chain));
        Assert.Equal(4u, chain.ReadableBytes);
        Assert.Equal(5u, chain.WritableBytes);
        bench.Device.Complete(chain.Head, 5);
        bench.Device.Publish();

        Assert.Equal(Available | Used | Write, bench.PackedDescriptor(Size - 1).Flags.Value);
        Assert.Equal(3, bench.PackedDescriptor(Size - 1).Id.Value);
        Assert.Equal(5u, bench.PackedDescriptor(Size - 1).Length.Value);
        Assert.Equal(new(1, 1, false, false), bench.Device.State);
    }

    [Fact]
    [Clause("packed-queue.dev.001", "packed-queue.dev.002")]
    public void Complete_OutOfOrder_WritesUsedDescriptorsInThatOrder()
    {
        using RingBench bench = Open();
        for (ushort position = 0; position < 3; position++)
        {
            Put(bench, position, new(RingBench.Base), 4, (ushort)(4 - position), Available | Write);
        }

        Assert.Equal(4, bench.Pop());
        Assert.Equal(3, bench.Pop());
        Assert.Equal(2, bench.Pop());
        bench.Device.Complete(3, 1);
        bench.Device.Complete(2, 2);
        bench.Device.Complete(4, 3);
        bench.Device.Publish();

        Assert.Equal([3, 2, 4], Enumerable.Range(0, 3).Select(index => (int)bench.PackedDescriptor(index).Id.Value));
        Assert.Equal(
            [1u, 2, 3],
            Enumerable.Range(0, 3).Select(index => (uint)bench.PackedDescriptor(index).Length.Value)
        );
        Assert.All(
            Enumerable.Range(0, 3),
            index => Assert.Equal(Available | Used | Write, bench.PackedDescriptor(index).Flags.Value)
        );
    }

    [Fact]
    public void Publish_FlagsOfTheFirstDescriptor_AreWrittenLast()
    {
        using RingBench bench = Open();
        Put(bench, 0, new(RingBench.Base), 4, 0, Available | Write);
        Put(bench, 1, new(RingBench.Base), 4, 1, Available);
        bench.Pop();
        bench.Pop();
        bench.Device.Complete(0, 4);
        bench.Device.Complete(1, 0);

        Assert.Equal(Available | Write, bench.PackedDescriptor(0).Flags.Value);

        bench.Device.Publish();

        Assert.Equal(Available | Used | Write, bench.PackedDescriptor(0).Flags.Value);
        // Nothing was written, so the write flag is not set.
        Assert.Equal(Available | Used, bench.PackedDescriptor(1).Flags.Value);
    }

    [Fact]
    [Clause("packed-queue.dev.006")]
    public void Publish_UsedDescriptors_AreNotTouchedAgain()
    {
        using RingBench bench = Open();
        Put(bench, 0, new(RingBench.Base), 4, 0, Available | Write);
        bench.Device.Complete(bench.Pop(), 4);
        bench.Device.Publish();
        PackedDescriptor before = bench.PackedDescriptor(0);

        Put(bench, 1, new(RingBench.Base), 4, 1, Available | Write);
        bench.Device.Complete(bench.Pop(), 4);
        bench.Device.Publish();
        bench.Device.SuppressKicks();
        bench.Device.TryArmKicks();

        Assert.Equal(before, bench.PackedDescriptor(0));
    }

    [Fact]
    public void TryPop_IndirectTable_HeedsOnlyItsWriteFlags()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(64);
        GuestRange table = bench.Allocate(48);
        // The write flag of a descriptor that refers to a table means nothing.
        Put(bench, 0, table.Address, 48, 1, Indirect | Write | Available);
        bench.At<PackedDescriptor>(table.Address) = Descriptor(data.Address, 8, 77, Next | Indirect | Available);
        bench.At<PackedDescriptor>(table.Address + 16) = Descriptor(data.Address + 8, 16, 0xffff, 0);
        bench.At<PackedDescriptor>(table.Address + 32) = Descriptor(data.Address + 24, 32, 0, Write | Used);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(1, chain.Head);
        Assert.Equal(24u, chain.ReadableBytes);
        Assert.Equal(32u, chain.WritableBytes);
    }

    [Fact]
    public void TryPop_BufferIdOutsideQueue_Faults() =>
        AssertFault(
            QueueFault.DescriptorOutsideTable,
            static bench => Put(bench, 0, new(RingBench.Base), 4, Size, Available)
        );

    [Fact]
    [Clause("packed-queue.dev.008")]
    public void TryPop_ListThatNeverEnds_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench =>
            {
                for (int position = 0; position < Size; position++)
                {
                    Put(bench, position, new(RingBench.Base), 4, 0, Next | Available);
                }
            }
        );

    [Fact]
    public void TryPop_ListGoesOnUnavailable_Faults() =>
        AssertFault(
            QueueFault.ListIncomplete,
            static bench => Put(bench, 0, new(RingBench.Base), 4, 0, Next | Available)
        );

    [Fact]
    public void TryPop_ReadableAfterWritable_Faults() =>
        AssertFault(
            QueueFault.ReadableAfterWritable,
            static bench =>
            {
                Put(bench, 0, new(RingBench.Base), 4, 0, Next | Write | Available);
                Put(bench, 1, new(RingBench.Base), 4, 0, Available);
            }
        );

    [Theory]
    [InlineData(0ul, 1u)]
    [InlineData(RingBench.Base - 1, 2u)]
    [InlineData(ulong.MaxValue - 9, 20u)]
    public void TryPop_BufferOutsideMemory_ShowsAnEmptyChain(ulong address, uint length) =>
        AssertUnreachable(bench => Put(bench, 0, new(address), length, 0, Write | Available));

    [Fact]
    public void TryPop_BuffersOf4GiB_Faults()
    {
        using RingBench bench = new(new(true, Size, true, false, false), claimedBytes: 16ul << 30);
        Put(bench, 0, new(RingBench.Base), 0x8000_0000, 0, Next | Available);
        Put(bench, 1, new(RingBench.Base), 0x8000_0000, 0, Available);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.ChainTooLarge, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_IndirectNotNegotiated_Faults()
    {
        using RingBench bench = new(new(true, Size, false, false, false));
        Put(bench, 0, bench.Allocate(16).Address, 16, 0, Indirect | Available);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.IndirectNotNegotiated, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_IndirectInAList_Faults() =>
        AssertFault(
            QueueFault.IndirectNested,
            static bench =>
            {
                Put(bench, 0, new(RingBench.Base), 4, 0, Next | Available);
                Put(bench, 1, bench.Allocate(16).Address, 16, 0, Indirect | Available);
            }
        );

    [Theory]
    [InlineData(0u)]
    [InlineData(15u)]
    [InlineData(17u)]
    public void TryPop_IndirectTableOfOddLength_Faults(uint length) =>
        AssertFault(
            QueueFault.IndirectLength,
            bench => Put(bench, 0, bench.Allocate(64).Address, length, 0, Indirect | Available)
        );

    [Fact]
    public void TryPop_IndirectTableLongerThanAnyoneNeeds_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench => Put(bench, 0, bench.Allocate(16 * 1025).Address, 16 * 1025, 0, Indirect | Available)
        );

    [Fact]
    public void TryPop_IdInFlight_Faults()
    {
        using RingBench bench = Open();
        Put(bench, 0, new(RingBench.Base), 4, 2, Available);
        Put(bench, 1, new(RingBench.Base), 4, 2, Available);
        bench.Pop();

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.HeadInFlight, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_MoreDescriptorsThanTheRing_Faults()
    {
        using RingBench bench = Open();
        for (ushort position = 0; position < Size; position++)
        {
            Put(bench, position, new(RingBench.Base), 4, 0, (ushort)(Available | (position < Size - 1 ? Next : 0)));
        }

        bench.Pop();
        // Nothing was used, so nothing can be available in the next round.
        Put(bench, 0, new(RingBench.Base), 4, 1, Used);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.IndexJump, bench.Device.Fault);
    }

    [Fact]
    [Clause("packed-queue.dev.010")]
    public void Suppression_WithoutEventIndex_IsEnableAndDisable()
    {
        using RingBench bench = Open();
        Assert.Equal(PackedEventSuppression.Enable, bench.DeviceEvents.Flags.Value);
        bench.Device.SuppressKicks();
        Assert.Equal(PackedEventSuppression.Disable, bench.DeviceEvents.Flags.Value);
        bench.Device.TryArmKicks();
        Assert.Equal(PackedEventSuppression.Enable, bench.DeviceEvents.Flags.Value);
    }

    [Fact]
    [Clause("packed-queue.dev.010")]
    public void Suppression_WithEventIndex_NamesThePositionAndTheRound()
    {
        using RingBench bench = Open(hasEventIndex: true);
        for (int step = 0; step < 3 * Size; step++)
        {
            bool isFirstRound = step / Size % 2 == 0;
            Assert.True(bench.Device.TryArmKicks());
            Assert.Equal(PackedEventSuppression.Descriptor, bench.DeviceEvents.Flags.Value);
            Assert.Equal(step % Size | (isFirstRound ? 0x8000 : 0), bench.DeviceEvents.OffsetAndWrap.Value);
            bench.Device.SuppressKicks();
            Assert.Equal(PackedEventSuppression.Disable, bench.DeviceEvents.Flags.Value);
            Put(bench, step % Size, new(RingBench.Base), 4, 0, isFirstRound ? Available : Used);
            bench.Device.Complete(bench.Pop(), 0);
            bench.Device.Publish();
        }
    }

    [Theory]
    // Enabled, disabled, and what is reserved counts as enabled.
    [InlineData(0, 0, true)]
    [InlineData(0, 1, false)]
    [InlineData(0, 3, true)]
    // The position asked for is among those published: positions 3 and 4 of the first round, 0 of the second.
    [InlineData(3 | 0x8000, 2, true)]
    [InlineData(4 | 0x8000, 2, true)]
    [InlineData(0, 2, true)]
    // It was passed before, or is yet to come.
    [InlineData(2 | 0x8000, 2, false)]
    [InlineData(1, 2, false)]
    [InlineData(3, 2, false)]
    [InlineData(0 | 0x8000, 2, false)]
    // It does not exist.
    [InlineData(0x7fff, 2, false)]
    [InlineData(0xffff, 2, false)]
    public void Publish_ThreeDescriptorsAcrossTheEnd_CallsAsAskedFor(int offsetAndWrap, int flags, bool isCalled)
    {
        using RingBench bench = Open(hasEventIndex: true);
        for (int position = 0; position < 3; position++)
        {
            Put(bench, position, new(RingBench.Base), 4, 0, Available);
            bench.Device.Complete(bench.Pop(), 0);
            bench.Device.Publish();
        }

        Put(bench, 0, new(RingBench.Base), 4, 2, Used);
        Put(bench, 4, new(RingBench.Base), 4, 1, Available);
        Put(bench, 3, new(RingBench.Base), 4, 0, Available);
        bench.DriverEvents = new() { OffsetAndWrap = (ushort)offsetAndWrap, Flags = (ushort)flags };
        for (int count = 0; count < 3; count++)
        {
            bench.Device.Complete(bench.Pop(), 0);
        }

        Assert.Equal(isCalled, bench.Device.Publish());
    }

    [Fact]
    public void Publish_PositionAskedForWithoutEventIndex_CallsAlways()
    {
        using RingBench bench = Open();
        bench.DriverEvents = new() { OffsetAndWrap = 4, Flags = PackedEventSuppression.Descriptor };
        Put(bench, 0, new(RingBench.Base), 4, 0, Available);
        bench.Device.Complete(bench.Pop(), 0);

        Assert.True(bench.Device.Publish());
    }

    [Fact]
    [Clause("core.dev.027")]
    public void InOrder_CompletedOutOfOrder_WaitsAndSharesOneDescriptor()
    {
        using RingBench bench = Open(isInOrder: true);
        Put(bench, 0, new(RingBench.Base), 4, 3, Available | Next);
        Put(bench, 1, new(RingBench.Base), 4, 3, Available | Write);
        Put(bench, 2, new(RingBench.Base), 4, 1, Available | Write);
        Put(bench, 3, new(RingBench.Base), 4, 2, Available | Write);
        bench.Pop();
        bench.Pop();
        bench.Pop();

        bench.Device.Complete(2, 2);
        bench.Device.Complete(1, 4);
        bench.Device.Publish();
        Assert.Equal(Available | Next, bench.PackedDescriptor(0).Flags.Value);

        bench.Device.Complete(3, 4);
        bench.Device.Publish();

        // One used descriptor where the batch began, with the last id and its length; four descriptors are skipped.
        Assert.Equal(Available | Used | Write, bench.PackedDescriptor(0).Flags.Value);
        Assert.Equal(2, bench.PackedDescriptor(0).Id.Value);
        Assert.Equal(2u, bench.PackedDescriptor(0).Length.Value);
        Assert.Equal(Available | Write, bench.PackedDescriptor(2).Flags.Value);
        Assert.Equal(new(4, 4), bench.Device.State);
    }

    [Theory]
    [InlineData(5, 0)]
    [InlineData(0, 5)]
    [InlineData(ushort.MaxValue, 0)]
    public void Create_StateOutsideTheRing_IsRefused(int available, int used)
    {
        using RingBench bench = Open();
        Assert.Throws<RingException>(() =>
            DeviceQueue.Create(bench.Areas, new((ushort)available, (ushort)used), bench.Memory, bench.Variant.Features)
        );
    }

    [Fact]
    public void Create_AreasMisalignedOrOutside_AreRefused()
    {
        using RingBench bench = Open();
        QueueAreas areas = bench.Areas;
        QueueAreas[] wrong =
        [
            areas with
            {
                Size = 0,
            },
            areas with
            {
                Size = 32769,
            },
            areas with
            {
                Descriptors = areas.Descriptors + 8,
            },
            areas with
            {
                Driver = areas.Driver + 2,
            },
            areas with
            {
                Device = areas.Device + 2,
            },
            areas with
            {
                Device = new(0),
            },
        ];

        foreach (QueueAreas each in wrong)
        {
            Assert.Throws<RingException>(() =>
                DeviceQueue.Create(each, QueueState.Fresh, bench.Memory, bench.Variant.Features)
            );
        }
    }

    private static RingBench Open(bool hasEventIndex = false, bool isInOrder = false) =>
        new(new(true, Size, true, hasEventIndex, isInOrder));

    private static PackedDescriptor Descriptor(GuestAddress address, uint length, ushort id, ushort flags) =>
        new()
        {
            Address = address.Value,
            Length = length,
            Id = id,
            Flags = flags,
        };

    private static void Put(
        RingBench bench,
        int position,
        GuestAddress address,
        uint length,
        ushort id,
        ushort flags
    ) => bench.PackedDescriptor(position) = Descriptor(address, length, id, flags);

    /// <summary>The chain with head 0 is shown without bytes, and can be given back; the queue goes on.</summary>
    private static void AssertUnreachable(Action<RingBench> offer)
    {
        using RingBench bench = Open();
        offer(bench);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.True(chain.Readable.IsEmpty && chain.Writable.IsEmpty);
        Assert.Equal(0u, chain.ReadableBytes + chain.WritableBytes);
        Assert.Equal(1ul, bench.Device.UnreachableChains);
        Assert.Equal(QueueFault.None, bench.Device.Fault);
        bench.Device.Complete(chain.Head, 0);
        Assert.True(bench.Device.HasUnpublished);
    }

    private static void AssertFault(QueueFault expected, Action<RingBench> breakRing)
    {
        using RingBench bench = Open();
        breakRing(bench);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(expected, bench.Device.Fault);
        Assert.Equal(0, bench.Device.InFlight);

        // Latched: a good chain is not taken any more, and the first fault stays the one that counts.
        Put(bench, 0, new(RingBench.Base), 1, 0, Available);
        Assert.False(bench.Device.TryPop(out _));
        Assert.True(bench.Device.TryArmKicks());
        Assert.Equal(expected, bench.Device.Fault);
    }
}
