using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Core.Queues;

/// <summary>What is true of every ring, whatever its layout, size and features: our driver role against our device role.</summary>
public abstract class RingLawTests
{
    /// <summary>More buffers than a 16-bit index counts, so that every index wraps.</summary>
    private const int BuffersUntilWrapped = 70_000;

    /// <summary>How many buffers are in flight at once in the longer tests.</summary>
    private const int DepthMax = 64;

    /// <summary>INDIRECT_DESC, EVENT_IDX and IN_ORDER in all combinations.</summary>
    public static TheoryData<bool, bool, bool> Combinations
    {
        get
        {
            TheoryData<bool, bool, bool> data = [];
            for (int bits = 0; bits < 8; bits++)
            {
                data.Add((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
            }

            return data;
        }
    }

    private protected abstract bool IsPacked { get; }

    private protected virtual bool IsPaged => false;

    /// <summary>Queue sizes that the layout allows, the smallest and the largest included.</summary>
    private protected abstract IReadOnlyList<ushort> Sizes { get; }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Buffers_ManyMoreThanTheRing_ComeBackOnceEachWithTheirContents(
        bool indirect,
        bool eventIndex,
        bool inOrder
    )
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            int depth = Math.Min((int)variant.Size, DepthMax);
            GuestRange[] buffers = [.. Enumerable.Range(0, depth).Select(_ => bench.Allocate(8))];
            Random random = new(variant.Size);
            ulong added = 0;
            ulong taken = 0;
            while (taken < BuffersUntilWrapped)
            {
                int batch = random.Next(1, depth + 1);
                for (int index = 0; index < batch; index++)
                {
                    Assert.True(bench.Driver.TryAdd([], [buffers[(int)(added % (ulong)depth)]], added));
                    added++;
                }

                bench.Driver.Publish();
                ulong served = taken;
                while (bench.Device.TryPop(out DescriptorChain chain))
                {
                    ChainWriter writer = chain.Writer;
                    Assert.True(writer.TryWrite(served++ * 3));
                    bench.Device.Complete(chain.Head, writer.Written);
                }

                bench.Device.Publish();
                while (bench.Driver.TryTake(out DriverCompletion completion))
                {
                    Assert.Equal(taken, completion.Tag);
                    Assert.Equal(8u, completion.WrittenBytes);
                    GuestRange buffer = buffers[(int)(taken % (ulong)depth)];
                    Assert.Equal(taken * 3, BitConverter.ToUInt64(bench.Bytes(buffer)));
                    taken++;
                }

                Assert.Equal(added, taken);
            }

            Assert.Equal(variant.Size, bench.Driver.FreeDescriptors);
            Assert.Equal(QueueFault.None, bench.Device.Fault);
            Assert.Equal(UsedFault.None, bench.Driver.Fault);
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void FullRing_TakesNoMore_AndComesBackInTheOrderOfCompletion(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            GuestRange buffer = bench.Allocate(4);
            for (uint tag = 0; tag < variant.Size; tag++)
            {
                Assert.True(bench.Driver.TryAdd([], [buffer], tag));
            }

            Assert.False(bench.Driver.TryAdd([], [buffer], 99));
            Assert.Equal(0, bench.Driver.FreeDescriptors);
            bench.Driver.Publish();

            ushort[] heads = new ushort[variant.Size];
            for (int index = 0; index < heads.Length; index++)
            {
                heads[index] = bench.Pop();
            }

            Assert.False(bench.Device.TryPop(out _));
            Assert.Equal(variant.Size, bench.Device.InFlight);
            for (int index = heads.Length - 1; index >= 0; index--)
            {
                bench.Device.Complete(heads[index], (uint)index % 5);
            }

            bench.Device.Publish();
            for (int index = 0; index < heads.Length; index++)
            {
                int expected = inOrder ? index : heads.Length - 1 - index;
                Assert.Equal(new((ulong)expected, (uint)expected % 5), bench.Take());
            }

            Assert.False(bench.Driver.TryTake(out _));
            Assert.Equal(variant.Size, bench.Driver.FreeDescriptors);
            Assert.Equal(0, bench.Driver.InFlight);
            Assert.Equal(0, bench.Device.InFlight);
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Chains_OfAllLengths_ArriveAsTheyWereAdded(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            Random random = new(7);
            GuestRange memory = bench.Allocate(64 * 1024);
            for (ulong round = 0; round < 500; round++)
            {
                GuestRange[] pieces =
                [
                    .. Enumerable
                        .Range(0, random.Next(1, variant.PiecesMax + 1))
                        .Select(_ => new GuestRange(
                            memory.Address + (uint)random.Next(60_000),
                            (uint)random.Next(1, 4096)
                        )),
                ];
                int readableCount = random.Next(pieces.Length + 1);
                Assert.True(bench.Driver.TryAdd(pieces.AsSpan(0, readableCount), pieces.AsSpan(readableCount), round));
                int expectedFree = variant.Size - (indirect && pieces.Length > 1 ? 1 : pieces.Length);
                Assert.Equal(expectedFree, bench.Driver.FreeDescriptors);
                bench.Driver.Publish();

                Assert.True(bench.Device.TryPop(out DescriptorChain chain));
                AssertSame(bench, pieces.AsSpan(0, readableCount), chain.Readable);
                AssertSame(bench, pieces.AsSpan(readableCount), chain.Writable);
                Assert.Equal(Sum(pieces.AsSpan(0, readableCount)), chain.ReadableBytes);
                Assert.Equal(Sum(pieces.AsSpan(readableCount)), chain.WritableBytes);
                bench.Device.Complete(chain.Head, chain.WritableBytes);
                bench.Device.Publish();
                Assert.Equal(new(round, Sum(pieces.AsSpan(readableCount))), bench.Take());
            }
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Publish_NotCalled_ShowsNothing(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            bench.Driver.TryAdd([], [bench.Allocate(4)], 1);
            Assert.False(bench.Device.TryPop(out _));
            bench.Driver.Publish();
            bench.Device.Complete(bench.Pop(), 4);
            Assert.True(bench.Device.HasUnpublished);
            Assert.False(bench.Driver.TryTake(out _));
            bench.Device.Publish();
            Assert.False(bench.Device.HasUnpublished);
            Assert.Equal(new(1, 4), bench.Take());
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Kicks_WhenArmed_AreWanted_AndWhenSuppressed_AreNot(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            GuestRange buffer = bench.Allocate(4);
            // Often enough to pass every position of a small ring and both wrap counters.
            for (int round = 0; round < 20; round++)
            {
                Assert.True(bench.Device.TryArmKicks());
                bench.Driver.TryAdd([], [buffer], 1);
                Assert.True(bench.Driver.Publish());
                Assert.False(bench.Device.TryArmKicks());
                bench.Device.Complete(bench.Pop(), 0);
                bench.Device.Publish();
                bench.Take();

                bench.Device.SuppressKicks();
                bench.Driver.TryAdd([], [buffer], 2);
                Assert.False(bench.Driver.Publish());
                bench.Device.Complete(bench.Pop(), 0);
                bench.Device.Publish();
                bench.Take();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Calls_WhenArmed_AreWanted_AndWhenSuppressed_AreNot(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            GuestRange buffer = bench.Allocate(4);
            for (int round = 0; round < 20; round++)
            {
                Assert.True(bench.Driver.TryArmCalls());
                bench.Driver.TryAdd([], [buffer], 1);
                bench.Driver.Publish();
                bench.Device.Complete(bench.Pop(), 0);
                Assert.True(bench.Device.Publish());
                Assert.False(bench.Driver.TryArmCalls());
                bench.Take();

                bench.Driver.SuppressCalls();
                bench.Driver.TryAdd([], [buffer], 2);
                bench.Driver.Publish();
                bench.Device.Complete(bench.Pop(), 0);
                Assert.False(bench.Device.Publish());
                bench.Take();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    [Clause("core.drv.028")]
    public void Publish_WhileTheDeviceIsSuspended_ShowsNothingUntilItIsNot(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            bench.Driver.TryAdd([], [bench.Allocate(4)], 1);
            byte[] before = bench.AllBytes.ToArray();
            bench.Driver.IsHeld = true;

            Assert.False(bench.Driver.Publish());

            Assert.Equal(before, bench.AllBytes.ToArray());
            Assert.False(bench.Device.TryPop(out _));
            bench.Driver.IsHeld = false;
            Assert.True(bench.Driver.Publish());
            bench.Pop();
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Publish_OfNothing_WantsNothing(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            Assert.True(bench.Device.TryArmKicks());
            Assert.True(bench.Driver.TryArmCalls());
            Assert.False(bench.Driver.Publish());
            Assert.False(bench.Device.Publish());
            Assert.False(bench.Device.TryPop(out _));
            Assert.False(bench.Driver.TryTake(out _));
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Device_StoppedAndStartedAnywhere_GoesOn(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            GuestRange buffer = bench.Allocate(4);
            // A large ring takes long to make, and wraps nowhere else than a small one.
            int rounds = variant.Size > 256 ? 10 : 3 * variant.Size + 5;
            for (int round = 0; round < rounds; round++)
            {
                bench.Driver.TryAdd([], [buffer], (ulong)round);
                bench.Driver.Publish();
                bench.ReplaceDevice();
                bench.Device.Complete(bench.Pop(), 4);
                bench.Device.Publish();
                bench.ReplaceDevice();
                // Whoever ran the queue before may not have come to calling; where nobody did, there is nothing to call for.
                bool hasHistory = bench.Device.State != QueueState.Fresh;
                Assert.Equal(hasHistory, bench.Device.HasUnpublished);
                Assert.Equal(hasHistory, bench.Device.Publish());
                Assert.Equal(new((ulong)round, 4), bench.Take());
            }
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    [Clause("packed-queue.drv.004")]
    public void NotificationData_NamesTheNextEntryNotYetAvailable(bool indirect, bool eventIndex, bool inOrder)
    {
        foreach (RingVariant variant in VariantsOf(indirect, eventIndex, inOrder))
        {
            using RingBench bench = new(variant);
            GuestRange buffer = bench.Allocate(4);
            for (int round = 0; round < 20; round++)
            {
                QueueState state = bench.Device.State;
                NotificationData expected = IsPacked
                    ? new(5, state.AvailableIndex, state.AvailableWrap)
                    : new(5, (ushort)(state.AvailableIndex & 0x7fff), state.AvailableIndex >= 0x8000);
                Assert.Equal(expected, bench.Driver.NotificationData(5));
                bench.Driver.TryAdd([], [buffer], 0);
                Assert.Equal(expected, bench.Driver.NotificationData(5));
                bench.Driver.Publish();
                bench.Device.Complete(bench.Pop(), 0);
                bench.Device.Publish();
                bench.Take();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Operations_AHundredThousand_AllocateNothing(bool indirect, bool eventIndex, bool inOrder)
    {
        using RingBench bench = new(
            VariantsOf(indirect, eventIndex, inOrder).First(static variant => variant.Size == 256)
        );
        GuestRange request = bench.Allocate(16);
        GuestRange reply = bench.Allocate(512);
        ushort[] heads = new ushort[8];
        Exchange(bench, request, reply, heads, 100);

        Allocations.AssertNone(() => Exchange(bench, request, reply, heads, 100_000));
        Assert.Equal(QueueFault.None, bench.Device.Fault);
        Assert.Equal(UsedFault.None, bench.Driver.Fault);
    }

    /// <summary>Every variant of this layout with the given features.</summary>
    private protected IEnumerable<RingVariant> VariantsOf(bool indirect, bool eventIndex, bool inOrder) =>
        Sizes.Select(size => new RingVariant(IsPacked, size, indirect, eventIndex, inOrder) { IsPaged = IsPaged });

    private static void Exchange(RingBench bench, GuestRange request, GuestRange reply, ushort[] heads, int count)
    {
        for (int done = 0; done < count; done += heads.Length)
        {
            bench.Device.SuppressKicks();
            bench.Driver.SuppressCalls();
            for (int index = 0; index < heads.Length; index++)
            {
                bench.Driver.TryAdd([request], [reply, request], (ulong)index);
            }

            bench.Driver.Publish();
            for (int index = 0; bench.Device.TryPop(out DescriptorChain chain); index++)
            {
                heads[index] = chain.Head;
            }

            for (int index = heads.Length - 1; index >= 0; index--)
            {
                bench.Device.Complete(heads[index], 100);
            }

            bench.Device.Publish();
            bench.Device.TryArmKicks();
            while (bench.Driver.TryTake(out _))
            {
                // All of them.
            }

            bench.Driver.TryArmCalls();
        }
    }

    private static void AssertSame(RingBench bench, ReadOnlySpan<GuestRange> ranges, ReadOnlySpan<Segment> segments)
    {
        Assert.Equal(ranges.Length, segments.Length);
        for (int index = 0; index < ranges.Length; index++)
        {
            Assert.Equal((int)ranges[index].LengthBytes, segments[index].Length);
            Assert.True(bench.Bytes(ranges[index]).Overlaps(segments[index].Bytes, out int offset));
            Assert.Equal(0, offset);
        }
    }

    private static uint Sum(ReadOnlySpan<GuestRange> ranges)
    {
        uint sum = 0;
        foreach (GuestRange range in ranges)
        {
            sum += range.LengthBytes;
        }

        return sum;
    }
}
