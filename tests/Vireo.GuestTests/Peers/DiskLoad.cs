using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Fills a disk through all queues of a driver and reads it back: every block says where it belongs.</summary>
internal static class DiskLoad
{
    public const int BlockBytes = 64 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Writes blocks of the disk, full depth on each queue, each queue by a thread of its own.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="lengthBytes">How long it is.</param>
    /// <param name="stride">1 for every block, 2 for every second one...</param>
    /// <param name="seed">Decides what is written.</param>
    public static void Fill(BlockDriver disk, long lengthBytes, int stride, ulong seed) =>
        OnEachQueue(disk, lengthBytes, stride, isWrite: true, seed);

    /// <summary>Reads the blocks back, and looks whether they hold what <see cref="Fill"/> wrote.</summary>
    public static void Verify(BlockDriver disk, long lengthBytes, int stride, ulong seed) =>
        OnEachQueue(disk, lengthBytes, stride, isWrite: false, seed);

    /// <summary>What a block holds: numbers that depend on the block and on the place in it.</summary>
    public static void MakeBlock(Span<byte> block, long offsetBytes, ulong seed)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        ulong word = unchecked((ulong)offsetBytes * 0x9e37_79b9_7f4a_7c15 ^ seed);
        foreach (ref ulong destination in words)
        {
            // xorshift: fast, and no two blocks are alike.
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            destination = word;
        }

        BinaryPrimitives.WriteInt64LittleEndian(block, offsetBytes);
    }

    private static void OnEachQueue(BlockDriver disk, long lengthBytes, int stride, bool isWrite, ulong seed)
    {
        List<Exception> failures = [];
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, disk.QueueCount)
                .Select(index => new Thread(() =>
                {
                    try
                    {
                        RunQueue(disk, index, lengthBytes, stride, isWrite, seed);
                    }
                    catch (Exception exception)
                    {
                        lock (failures)
                        {
                            failures.Add(exception);
                        }
                    }
                })),
        ];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        if (failures.Count > 0)
        {
            throw new AggregateException(failures);
        }
    }

    private static void RunQueue(BlockDriver disk, int index, long lengthBytes, int stride, bool isWrite, ulong seed)
    {
        const int Depth = 16;
        BlockQueue queue = disk.Queue(index);
        DriverBuffer[] buffers = [.. Enumerable.Range(0, Depth).Select(_ => disk.Memory.Allocate(BlockBytes))];
        Stack<int> free = new(Enumerable.Range(0, Depth));
        long[] offsets = new long[Depth];
        var completions = new BlockCompletion[Depth];
        byte[] expected = new byte[BlockBytes];
        long step = (long)stride * BlockBytes;
        long next = index * step;
        while (next < lengthBytes || free.Count < Depth)
        {
            while (next < lengthBytes && free.TryPop(out int slot))
            {
                offsets[slot] = next;
                next += disk.QueueCount * step;
                ulong sector = (ulong)offsets[slot] / 512;
                if (isWrite)
                {
                    MakeBlock(buffers[slot].Bytes, offsets[slot], seed);
                    Assert.True(queue.TryWrite(sector, in buffers[slot], (ulong)slot));
                }
                else
                {
                    Assert.True(queue.TryRead(sector, in buffers[slot], (ulong)slot));
                }
            }

            queue.Submit();
            int count = queue.Wait(completions, Patience);
            Assert.True(count > 0, $"Queue {index}: nothing was completed for {Patience.TotalSeconds} s.");
            foreach (BlockCompletion completion in completions.AsSpan(0, count))
            {
                int slot = (int)completion.Tag;
                Assert.True(completion.IsDone, $"{completion.Status} at byte {offsets[slot]}");
                if (!isWrite)
                {
                    MakeBlock(expected, offsets[slot], seed);
                    Assert.True(buffers[slot].Bytes.SequenceEqual(expected), $"wrong bytes at {offsets[slot]}");
                }

                free.Push(slot);
            }
        }

        Array.ForEach(buffers, disk.Memory.Free);
    }
}
