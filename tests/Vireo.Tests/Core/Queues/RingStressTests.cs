using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Tests.Core.Queues;

/// <summary>Driver and device on two threads that sleep whenever they may: contents are verified, and no wake-up may be lost.</summary>
public sealed class RingStressTests
{
    private const int Buffers = 40_000;
    private const int Depth = 24;

    /// <summary>A lost wake-up shows as this long a sleep.</summary>
    private static readonly TimeSpan LostAfter = TimeSpan.FromSeconds(60);

    public static TheoryData<bool, bool, bool> Rings
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

    [Theory]
    [MemberData(nameof(Rings))]
    [Clause("split-queue.drv.027", "split-queue.drv.028", "packed-queue.drv.017", "packed-queue.drv.018")]
    public void TwoThreads_LoseNothing(bool isPacked, bool hasEventIndex, bool isInOrder)
    {
        using RingBench bench = new(new(isPacked, 32, true, hasEventIndex, isInOrder));
        using SemaphoreSlim kicks = new(0);
        using SemaphoreSlim calls = new(0);
        Exception? failure = null;
        Thread device = new(() =>
        {
            try
            {
                RunDevice(bench, kicks, calls);
            }
            catch (Exception exception)
            {
                failure = exception;
                calls.Release();
            }
        });
        device.Start();

        RunDriver(bench, kicks, calls, () => failure);
        device.Join();

        Assert.Null(failure);
        Assert.Equal(QueueFault.None, bench.Device.Fault);
        Assert.Equal(UsedFault.None, bench.Driver.Fault);
        Assert.Equal(bench.Variant.Size, bench.Driver.FreeDescriptors);
    }

    private static void RunDriver(RingBench bench, SemaphoreSlim kicks, SemaphoreSlim calls, Func<Exception?> failure)
    {
        GuestRange[] requests = [.. Enumerable.Range(0, Depth).Select(_ => bench.Allocate(16))];
        GuestRange[] replies = [.. Enumerable.Range(0, Depth).Select(_ => bench.Allocate(24))];
        Stack<int> free = new(Enumerable.Range(0, Depth));
        ulong next = 0;
        int done = 0;
        Random random = new(1);
        while (done < Buffers)
        {
            bench.Driver.SuppressCalls();
            for (int burst = random.Next(1, 9); burst > 0 && next < Buffers && free.Count > 0; burst--)
            {
                int slot = free.Pop();
                BitConverter.TryWriteBytes(bench.Bytes(requests[slot]), next);
                BitConverter.TryWriteBytes(bench.Bytes(requests[slot])[8..], ~next);
                Assert.True(bench.Driver.TryAdd([requests[slot]], [replies[slot]], next << 8 | (uint)slot));
                next++;
            }

            if (bench.Driver.Publish())
            {
                kicks.Release();
            }

            bool hasTaken = false;
            while (bench.Driver.TryTake(out DriverCompletion completion))
            {
                hasTaken = true;
                int slot = (int)(completion.Tag & 0xff);
                ulong number = completion.Tag >> 8;
                Span<byte> reply = bench.Bytes(replies[slot]);
                Assert.Equal(24u - (uint)(number % 3), completion.WrittenBytes);
                Assert.Equal(number * 7, BitConverter.ToUInt64(reply));
                Assert.Equal(~number, BitConverter.ToUInt64(reply[8..]));
                free.Push(slot);
                done++;
            }

            bool mustWait = !hasTaken && (free.Count == 0 || next == Buffers) && done < Buffers;
            if (mustWait && bench.Driver.TryArmCalls() && !calls.Wait(LostAfter))
            {
                Assert.Fail($"a call was lost after {done} buffers");
            }

            Assert.Null(failure());
        }
    }

    private static void RunDevice(RingBench bench, SemaphoreSlim kicks, SemaphoreSlim calls)
    {
        List<(ushort Head, uint Length)> held = [];
        Random random = new(2);
        int done = 0;
        while (done < Buffers)
        {
            bench.Device.SuppressKicks();
            bool hasTaken = false;
            while (bench.Device.TryPop(out DescriptorChain chain))
            {
                hasTaken = true;
                ChainReader reader = chain.Reader;
                Assert.True(reader.TryRead(out ulong number));
                Assert.True(reader.TryRead(out ulong inverted));
                Assert.Equal(~number, inverted);
                ChainWriter writer = chain.Writer;
                Assert.True(writer.TryWrite(number * 7));
                Assert.True(writer.TryWrite(inverted));
                held.Add((chain.Head, 24 - (uint)(number % 3)));
            }

            // Out of order, and some are kept for a later turn.
            while (held.Count > 0 && (!hasTaken || random.Next(4) != 0))
            {
                int index = random.Next(held.Count);
                bench.Device.Complete(held[index].Head, held[index].Length);
                held.RemoveAt(index);
                done++;
            }

            if (bench.Device.Publish())
            {
                calls.Release();
            }

            bool mustWait = !hasTaken && held.Count == 0 && done < Buffers;
            if (mustWait && bench.Device.TryArmKicks() && !kicks.Wait(LostAfter))
            {
                Assert.Fail($"a kick was lost after {done} buffers");
            }
        }
    }
}
