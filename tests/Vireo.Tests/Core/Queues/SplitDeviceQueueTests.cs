using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>The device side of split rings against a driver that is written by hand, word by word.</summary>
public sealed class SplitDeviceQueueTests
{
    private const ushort Size = 8;
    private const ushort Next = DescriptorFlags.Next;
    private const ushort Write = DescriptorFlags.Write;
    private const ushort Indirect = DescriptorFlags.Indirect;

    public static TheoryData<bool> EventIndexOrNot => [false, true];

    [Fact]
    [Clause("split-queue.dev.021")]
    public void TryPop_ChainByHand_YieldsItsSegmentsBeforeAnyKick()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(100);
        Put(bench, 5, data.Address, 10, Next, 2);
        Put(bench, 2, data.Address + 20, 30, Next | Write, 7);
        Put(bench, 7, data.Address + 60, 40, Write, 0);
        Offer(bench, 0, 5);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(5, chain.Head);
        Assert.Equal(10u, chain.ReadableBytes);
        Assert.Equal(70u, chain.WritableBytes);
        Assert.Equal(1, chain.Readable.Length);
        Assert.Equal(2, chain.Writable.Length);
        Assert.True(bench.Bytes(data).Slice(60, 40) == chain.Writable[1].Bytes);
    }

    [Fact]
    [Clause("split-queue.dev.005", "split-queue.dev.006")]
    public void TryPop_DirectThenIndirectMarkedWritable_TakesBothParts()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(100);
        GuestRange table = bench.Allocate(32);
        Put(bench, 0, data.Address, 10, Next, 1);
        Put(bench, 1, table.Address, 32, Indirect | Write, 0);
        PutAt(bench, table.Address, data.Address + 10, 20, Next, 1);
        PutAt(bench, table.Address + 16, data.Address + 30, 40, Write, 0);
        Offer(bench, 0, 0);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(30u, chain.ReadableBytes);
        Assert.Equal(40u, chain.WritableBytes);
    }

    [Fact]
    [Clause("split-queue.dev.006")]
    public void TryPop_OnlyAnIndirectDescriptor_TakesTheTable()
    {
        using RingBench bench = Open();
        GuestRange table = bench.Allocate(16);
        Put(bench, 3, table.Address, 16, Indirect, 0);
        PutAt(bench, table.Address, table.Address, 16, Write, 0);
        Offer(bench, 0, 3);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(3, chain.Head);
        Assert.Equal(16u, chain.WritableBytes);
    }

    [Fact]
    public void TryPop_IndirectTableCutByARegionBorder_IsRead()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(64);
        GuestRange table = bench.Allocate(32);
        Put(bench, 0, table.Address, 32, Indirect, 0);
        PutAt(bench, table.Address, data.Address, 8, Next, 1);
        PutAt(bench, table.Address + 16, data.Address + 8, 16, Write, 0);
        Offer(bench, 0, 0);
        MemoryRegion whole = bench.Memory.Regions[0];
        // The border lies in the middle of a descriptor.
        ulong cut = table.Address.Value + 20 - whole.Address.Value;
        MappedMemory memory = new([
            new(whole.Address, cut, whole.HostAddress),
            new(whole.Address + cut, whole.LengthBytes - cut, whole.HostAddress + (nint)cut),
        ]);
        var queue = DeviceQueue.Create(bench.Areas, QueueState.Fresh, memory, bench.Variant.Features);

        Assert.True(queue.TryPop(out DescriptorChain chain));

        Assert.Equal(8u, chain.ReadableBytes);
        Assert.Equal(16u, chain.WritableBytes);
    }

    [Fact]
    public void TryPop_ZeroLengthBuffers_AreTakenAndHaveNoSegments()
    {
        using RingBench bench = Open();
        Put(bench, 0, new(0), 0, Next, 1);
        Put(bench, 1, new(0), 0, Write, 0);
        Offer(bench, 0, 0);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(0, chain.Readable.Length + chain.Writable.Length);
    }

    [Fact]
    public void TryPop_AvailableIndexBeyondTheRing_Faults() =>
        AssertFault(QueueFault.IndexJump, static bench => bench.AvailableIndex = Size + 1);

    [Fact]
    public void TryPop_AvailableIndexGoesBack_Faults()
    {
        using RingBench bench = Open();
        Put(bench, 0, bench.Allocate(16).Address, 16, Write, 0);
        Offer(bench, 0, 0);
        bench.Pop();
        bench.AvailableIndex = 0;

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.IndexJump, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_HeadOutsideTable_Faults() =>
        AssertFault(QueueFault.DescriptorOutsideTable, static bench => Offer(bench, 0, Size));

    [Fact]
    public void TryPop_NextOutsideTable_Faults() =>
        AssertFault(
            QueueFault.DescriptorOutsideTable,
            static bench =>
            {
                Put(bench, 0, new(RingBench.Base), 1, Next, ushort.MaxValue);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_NextOutsideIndirectTable_Faults() =>
        AssertFault(
            QueueFault.DescriptorOutsideTable,
            static bench =>
            {
                GuestRange table = bench.Allocate(32);
                Put(bench, 0, table.Address, 32, Indirect, 0);
                PutAt(bench, table.Address, table.Address, 1, Next, 2);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    [Clause("split-queue.dev.002")]
    public void TryPop_DescriptorFollowsItself_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench =>
            {
                Put(bench, 4, new(RingBench.Base), 1, Next, 4);
                Offer(bench, 0, 4);
            }
        );

    [Fact]
    public void TryPop_TwoDescriptorsInALoop_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench =>
            {
                Put(bench, 0, new(RingBench.Base), 1, Next, 1);
                Put(bench, 1, new(RingBench.Base), 1, Next, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_LoopInIndirectTable_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench =>
            {
                GuestRange table = bench.Allocate(16);
                Put(bench, 0, table.Address, 16, Indirect, 0);
                PutAt(bench, table.Address, table.Address, 1, Next, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    [Clause("split-queue.dev.002")]
    public void TryPop_IndirectTableLongerThanAnyoneNeeds_Faults() =>
        AssertFault(
            QueueFault.ChainTooLong,
            static bench =>
            {
                Put(bench, 0, bench.Allocate(16 * 1025).Address, 16 * 1025, Indirect, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_IndirectChainLongerThanTheQueue_IsTaken()
    {
        using RingBench bench = Open();
        GuestRange table = bench.Allocate(16 * 1024);
        Put(bench, 0, table.Address, 16 * 1024, Indirect, 0);
        for (uint index = 0; index < 1024; index++)
        {
            ushort flags = index < 1023 ? Next : (ushort)0;
            PutAt(bench, table.Address + 16 * index, table.Address, 1, flags, (ushort)(index + 1));
        }

        Offer(bench, 0, 0);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(1024u, chain.ReadableBytes);
    }

    [Theory]
    [InlineData(0x8000_0000u, 0x8000_0000u)]
    [InlineData(uint.MaxValue, 1u)]
    public void TryPop_BuffersOf4GiB_Faults(uint first, uint second)
    {
        using RingBench bench = new(new(false, Size, true, false, false), claimedBytes: 16ul << 30);
        Put(bench, 0, new(RingBench.Base), first, Next, 1);
        Put(bench, 1, new(RingBench.Base), second, 0, 0);
        Offer(bench, 0, 0);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.ChainTooLarge, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_BuffersOfJustUnder4GiB_AreTaken()
    {
        using RingBench bench = new(new(false, Size, true, false, false), claimedBytes: 16ul << 30);
        Put(bench, 0, new(RingBench.Base), 0x8000_0000, Next, 1);
        Put(bench, 1, new(RingBench.Base), 0x7fff_ffff, 0, 0);
        Offer(bench, 0, 0);

        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        Assert.Equal(uint.MaxValue, chain.ReadableBytes);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(0u)]
    public void TryPop_ReadableAfterWritable_Faults(uint writableBytes) =>
        AssertFault(
            QueueFault.ReadableAfterWritable,
            bench =>
            {
                Put(bench, 0, new(RingBench.Base), writableBytes, Next | Write, 1);
                Put(bench, 1, new(RingBench.Base), 1, 0, 0);
                Offer(bench, 0, 0);
            }
        );

    [Theory]
    [InlineData(0ul, 1u)]
    [InlineData(RingBench.Base - 1, 2u)]
    [InlineData(ulong.MaxValue, 2u)]
    [InlineData(ulong.MaxValue - 9, 20u)]
    [InlineData(0xffff_ffff_ffff_f000ul, 0xffff_ffffu)]
    public void TryPop_BufferOutsideMemory_ShowsAnEmptyChain(ulong address, uint length) =>
        AssertUnreachable(bench =>
        {
            Put(bench, 0, new(address), length, Write, 0);
            Offer(bench, 0, 0);
        });

    [Fact]
    public void TryPop_BufferReachesBeyondMemory_ShowsAnEmptyChain() =>
        AssertUnreachable(static bench =>
        {
            Put(bench, 0, new(bench.EndAddress - 10), 11, Write, 0);
            Offer(bench, 0, 0);
        });

    [Fact]
    public void TryPop_WritableBufferInReadOnlyMemory_ShowsAnEmptyChain()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(4096, 4096);
        MemoryRegion whole = bench.Memory.Regions[0];
        ulong offset = data.Address.Value - whole.Address.Value;
        MappedMemory memory = new([
            new(whole.Address, offset, whole.HostAddress),
            new(data.Address, 4096, whole.HostAddress + (nint)offset, MemoryAccess.Read),
        ]);
        var queue = DeviceQueue.Create(bench.Areas, QueueState.Fresh, memory, bench.Variant.Features);
        Put(bench, 0, data.Address, 16, 0, 0);
        Put(bench, 1, data.Address, 16, Write, 0);
        Offer(bench, 0, 0);
        Offer(bench, 1, 1);

        Assert.True(queue.TryPop(out DescriptorChain readable));
        Assert.Equal(16u, readable.ReadableBytes);
        Assert.True(queue.TryPop(out DescriptorChain unreachable));

        Assert.Equal(0u, unreachable.WritableBytes);
        Assert.Equal(1ul, queue.UnreachableChains);
        Assert.Equal(QueueFault.None, queue.Fault);
    }

    [Fact]
    public void TryPop_IndirectNotNegotiated_Faults()
    {
        using RingBench bench = new(new(false, Size, false, false, false));
        Put(bench, 0, bench.Allocate(16).Address, 16, Indirect, 0);
        Offer(bench, 0, 0);

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.IndirectNotNegotiated, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_IndirectInsideIndirect_Faults() =>
        AssertFault(
            QueueFault.IndirectNested,
            static bench =>
            {
                GuestRange table = bench.Allocate(16);
                Put(bench, 0, table.Address, 16, Indirect, 0);
                PutAt(bench, table.Address, table.Address, 16, Indirect, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_IndirectTableIsTheRingsOwn_Faults() =>
        AssertFault(
            QueueFault.IndirectNested,
            static bench =>
            {
                Put(bench, 0, bench.Areas.Descriptors, 16, Indirect, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_IndirectWithNext_Faults() =>
        AssertFault(
            QueueFault.IndirectNested,
            static bench =>
            {
                Put(bench, 0, bench.Allocate(16).Address, 16, Indirect | Next, 1);
                Offer(bench, 0, 0);
            }
        );

    [Theory]
    [InlineData(0u)]
    [InlineData(15u)]
    [InlineData(17u)]
    [InlineData(0xffff_ffffu)]
    public void TryPop_IndirectTableOfOddLength_Faults(uint length) =>
        AssertFault(
            QueueFault.IndirectLength,
            bench =>
            {
                Put(bench, 0, bench.Allocate(64).Address, length, Indirect, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_IndirectTableOutsideMemory_Faults() =>
        AssertFault(
            QueueFault.BadAddress,
            static bench =>
            {
                Put(bench, 0, new(0x1000), 32, Indirect, 0);
                Offer(bench, 0, 0);
            }
        );

    [Fact]
    public void TryPop_HeadInFlight_Faults()
    {
        using RingBench bench = Open();
        Put(bench, 3, bench.Allocate(16).Address, 16, Write, 0);
        Offer(bench, 0, 3);
        Offer(bench, 1, 3);
        bench.Pop();

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.HeadInFlight, bench.Device.Fault);
    }

    [Fact]
    public void TryPop_HeadsOfferedAgainBeforeTheyWerePublished_Faults()
    {
        using RingBench bench = new(new(false, 1, true, false, false));
        Put(bench, 0, bench.Allocate(16).Address, 16, Write, 0);
        Offer(bench, 0, 0);
        bench.Device.Complete(bench.Pop(), 16);
        bench.AvailableIndex = 2;

        Assert.False(bench.Device.TryPop(out _));

        Assert.Equal(QueueFault.IndexJump, bench.Device.Fault);
    }

    [Fact]
    public void Fault_Latched_EarlierChainsAreStillGivenBack()
    {
        using RingBench bench = Open();
        Put(bench, 0, bench.Allocate(16).Address, 16, Write, 0);
        Offer(bench, 0, 0);
        ushort head = bench.Pop();
        Offer(bench, 1, Size);
        Assert.False(bench.Device.TryPop(out _));

        bench.Device.Complete(head, 7);
        bench.Device.Publish();

        Assert.Equal(1, bench.UsedIndex.Value);
        Assert.Equal(7u, bench.UsedEntry(0).Length.Value);
        Assert.True(bench.Device.TryArmKicks());
    }

    [Fact]
    [Clause("split-queue.dev.013", "split-queue.dev.014")]
    public void Complete_EntryAndData_AreSeenWhenTheIndexMoves()
    {
        using RingBench bench = Open();
        GuestRange data = bench.Allocate(4);
        Put(bench, 6, data.Address, 4, Write, 0);
        Offer(bench, 0, 6);
        Assert.True(bench.Device.TryPop(out DescriptorChain chain));
        chain.Writer.TryWrite(0x11223344);
        bench.Device.Complete(chain.Head, 4);

        Assert.Equal(0, bench.UsedIndex.Value);
        Assert.Equal(0x11223344, BitConverter.ToInt32(bench.Bytes(data)));

        bench.Device.Publish();

        Assert.Equal(1, bench.UsedIndex.Value);
        Assert.Equal(6u, bench.UsedEntry(0).Id.Value);
        Assert.Equal(4u, bench.UsedEntry(0).Length.Value);
    }

    [Fact]
    [Clause("split-queue.dev.004")]
    public void Exchange_DescriptorTable_IsNotWritten()
    {
        using RingBench bench = Open();
        GuestRange table = new(bench.Areas.Descriptors, 16 * Size);
        GuestRange data = bench.Allocate(16);
        for (ushort index = 0; index < Size; index++)
        {
            Put(bench, index, data.Address, 16, Write, 0);
            Offer(bench, index, index);
        }

        byte[] before = bench.Bytes(table).ToArray();
        while (bench.Device.TryPop(out DescriptorChain chain))
        {
            bench.Device.Complete(chain.Head, 16);
        }

        bench.Device.Publish();
        bench.Device.SuppressKicks();
        bench.Device.TryArmKicks();

        Assert.Equal(before, bench.Bytes(table).ToArray());
        Assert.Equal(Size, bench.UsedIndex.Value);
    }

    [Fact]
    [Clause("split-queue.dev.007", "split-queue.dev.008", "split-queue.dev.009")]
    public void Publish_WithoutEventIndex_GoesByTheFlagAndIgnoresUsedEvent()
    {
        using RingBench bench = Open();
        foreach (ushort usedEvent in new ushort[] { 0, 1, 2, ushort.MaxValue })
        {
            bench.UsedEvent = usedEvent;
            bench.AvailableFlags = SplitRing.NoInterrupt;
            Assert.False(UseOne(bench));
            bench.AvailableFlags = 0;
            Assert.True(UseOne(bench));
        }
    }

    [Fact]
    [Clause("split-queue.dev.010", "split-queue.dev.011", "split-queue.dev.012")]
    public void Publish_WithEventIndex_GoesByUsedEventAndIgnoresTheFlag()
    {
        using RingBench bench = Open(hasEventIndex: true);
        for (int round = 0; round < 70_000; round++)
        {
            ushort index = unchecked((ushort)round);
            bench.AvailableFlags = (ushort)(round & 1);
            bench.UsedEvent = round % 3 == 0 ? index : unchecked((ushort)(index + 1 + round % 3));
            Assert.Equal(round % 3 == 0, UseOne(bench));
        }
    }

    [Fact]
    [Clause("split-queue.dev.011")]
    public void Publish_SeveralAtOnceOfWhichOneWasAskedFor_Calls()
    {
        using RingBench bench = Open(hasEventIndex: true);
        GuestRange data = bench.Allocate(4);
        for (ushort index = 0; index < 4; index++)
        {
            Put(bench, index, data.Address, 4, Write, 0);
            Offer(bench, index, index);
            bench.Device.Complete(bench.Pop(), 0);
        }

        bench.UsedEvent = 2;

        Assert.True(bench.Device.Publish());
    }

    [Fact]
    [Clause("split-queue.dev.016", "split-queue.dev.017", "split-queue.dev.022")]
    public void Suppression_WithoutEventIndex_IsTheFlag()
    {
        using RingBench bench = Open();
        Assert.Equal(0, bench.UsedFlags.Value);
        bench.Device.SuppressKicks();
        Assert.Equal(1, bench.UsedFlags.Value);
        bench.Device.TryArmKicks();
        Assert.Equal(0, bench.UsedFlags.Value);
    }

    [Fact]
    [Clause("split-queue.dev.018", "split-queue.dev.019")]
    public void Suppression_WithEventIndex_IsAvailableEventAndTheFlagStaysZero()
    {
        using RingBench bench = Open(hasEventIndex: true);
        bench.UsedFlags = 1;
        bench.ReplaceDevice();
        Assert.Equal(0, bench.UsedFlags.Value);
        for (ushort index = 0; index < 20; index++)
        {
            bench.Device.SuppressKicks();
            Assert.Equal(0, bench.UsedFlags.Value);
            UseOne(bench);
            bench.Device.TryArmKicks();
            Assert.Equal(index + 1, bench.AvailableEvent.Value);
            Assert.Equal(0, bench.UsedFlags.Value);
        }
    }

    [Theory]
    [MemberData(nameof(EventIndexOrNot))]
    [Clause("split-queue.dev.020")]
    public void TryPop_AfterKicksForNothing_FindsNothingAndGoesOn(bool hasEventIndex)
    {
        using RingBench bench = Open(hasEventIndex);
        for (int kick = 0; kick < 10; kick++)
        {
            Assert.False(bench.Device.TryPop(out _));
            Assert.False(bench.Device.Publish());
            Assert.True(bench.Device.TryArmKicks());
        }

        UseOne(bench);
        Assert.Equal(1, bench.UsedIndex.Value);
        Assert.Equal(QueueFault.None, bench.Device.Fault);
    }

    [Fact]
    [Clause("core.dev.027")]
    public void InOrder_CompletedOutOfOrder_WaitsForThoseBefore()
    {
        using RingBench bench = Open(isInOrder: true);
        ushort[] heads = OfferMany(bench, 3);

        bench.Device.Complete(heads[2], 4);
        bench.Device.Publish();
        Assert.Equal(0, bench.UsedIndex.Value);

        bench.Device.Complete(heads[0], 4);
        bench.Device.Publish();
        Assert.Equal(1, bench.UsedIndex.Value);
        Assert.Equal(heads[0], bench.UsedEntry(0).Id.Value);

        bench.Device.Complete(heads[1], 4);
        bench.Device.Publish();
        Assert.Equal(3, bench.UsedIndex.Value);
    }

    [Fact]
    public void InOrder_BuffersUsedCompletely_ShareOneEntryAtTheFirstPlace()
    {
        using RingBench bench = Open(isInOrder: true);
        ushort[] heads = OfferMany(bench, 4);
        bench.UsedEntry(1) = new() { Id = 0xdead, Length = 0xdead };
        foreach (ushort head in heads)
        {
            bench.Device.Complete(head, 4);
        }

        bench.Device.Publish();

        Assert.Equal(4, bench.UsedIndex.Value);
        Assert.Equal(heads[3], bench.UsedEntry(0).Id.Value);
        Assert.Equal(4u, bench.UsedEntry(0).Length.Value);
        Assert.Equal(0xdeadu, bench.UsedEntry(1).Id.Value);
    }

    [Fact]
    public void InOrder_BufferUsedInPart_EndsItsBatch()
    {
        using RingBench bench = Open(isInOrder: true);
        ushort[] heads = OfferMany(bench, 4);
        bench.Device.Complete(heads[0], 4);
        bench.Device.Complete(heads[1], 3);
        bench.Device.Complete(heads[2], 4);
        bench.Device.Complete(heads[3], 4);

        bench.Device.Publish();

        Assert.Equal(4, bench.UsedIndex.Value);
        Assert.Equal(heads[1], bench.UsedEntry(0).Id.Value);
        Assert.Equal(3u, bench.UsedEntry(0).Length.Value);
        Assert.Equal(heads[3], bench.UsedEntry(2).Id.Value);
        Assert.Equal(4u, bench.UsedEntry(2).Length.Value);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(32769)]
    [InlineData(65535)]
    public void Create_SizeNoPowerOfTwo_IsRefused(int size)
    {
        using RingBench bench = Open();
        Assert.Throws<RingException>(() =>
            DeviceQueue.Create(
                bench.Areas with
                {
                    Size = (ushort)size,
                },
                QueueState.Fresh,
                bench.Memory,
                bench.Variant.Features
            )
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
                Descriptors = areas.Descriptors + 8,
            },
            areas with
            {
                Driver = areas.Driver + 1,
            },
            areas with
            {
                Device = areas.Device + 2,
            },
            areas with
            {
                Descriptors = new(bench.EndAddress - 16 * Size + 16),
            },
            areas with
            {
                Device = new(0),
            },
            areas with
            {
                Driver = new(ulong.MaxValue - 1),
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
        new(new(false, Size, true, hasEventIndex, isInOrder));

    private static void Put(RingBench bench, int index, GuestAddress address, uint length, ushort flags, ushort next) =>
        PutAt(bench, bench.Areas.Descriptors + 16 * (uint)index, address, length, flags, next);

    private static void PutAt(
        RingBench bench,
        GuestAddress at,
        GuestAddress address,
        uint length,
        ushort flags,
        ushort next
    ) =>
        bench.At<SplitDescriptor>(at) = new()
        {
            Address = address.Value,
            Length = length,
            Flags = flags,
            Next = next,
        };

    /// <summary>Makes a head available as the entry with a number.</summary>
    private static void Offer(RingBench bench, int number, ushort head)
    {
        bench.AvailableEntry(number % bench.Areas.Size) = head;
        bench.AvailableIndex = unchecked((ushort)(number + 1));
    }

    /// <summary>Offers buffers of 4 bytes and takes them.</summary>
    private static ushort[] OfferMany(RingBench bench, int count)
    {
        GuestRange data = bench.Allocate(4);
        ushort[] heads = new ushort[count];
        for (int index = 0; index < count; index++)
        {
            Put(bench, index, data.Address, 4, Write, 0);
            Offer(bench, index, (ushort)index);
            heads[index] = bench.Pop();
        }

        return heads;
    }

    /// <summary>Sends one buffer through.</summary>
    /// <returns>Whether the device wants to call.</returns>
    private static bool UseOne(RingBench bench)
    {
        ushort index = bench.AvailableIndex;
        Put(bench, 0, new(RingBench.Base), 0, Write, 0);
        Offer(bench, index, 0);
        bench.Device.Complete(bench.Pop(), 0);
        return bench.Device.Publish();
    }

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
        Put(bench, 0, new(RingBench.Base), 1, 0, 0);
        Offer(bench, 0, 0);
        Assert.False(bench.Device.TryPop(out _));
        Assert.True(bench.Device.TryArmKicks());
        Assert.False(bench.Device.HasUnpublished);
        Assert.Equal(expected, bench.Device.Fault);
    }
}
