using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Tests.Core.Queues;

/// <summary>Readers and writers of chains: what a device reads and writes does not depend on how a driver cut its buffers.</summary>
public sealed class ChainCursorTests
{
    [Fact]
    [Clause("split-queue.dev.001")]
    public void Cursors_AnyFraming_GiveTheSameBytes()
    {
        Random random = new(11);
        byte[] message = new byte[100];
        random.NextBytes(message);
        for (int round = 0; round < 2000; round++)
        {
            using RingBench bench = new(new(round % 2 == 0, 128, false, false, false));
            GuestRange[] readable = Cut(bench, random, 100);
            GuestRange[] writable = Cut(bench, random, 100);
            Scatter(bench, readable, message);
            Assert.True(bench.Driver.TryAdd(readable, writable, 1));
            bench.Driver.Publish();
            Assert.True(bench.Device.TryPop(out DescriptorChain chain));

            ChainReader reader = chain.Reader;
            ChainWriter writer = chain.Writer;
            byte[] part = new byte[60];
            Assert.True(reader.TryRead(out ulong number));
            Assert.Equal(BitConverter.ToUInt64(message), number);
            Assert.True(reader.TrySkip(7));
            Assert.True(reader.TryCopyTo(part));
            Assert.True(message.AsSpan(15, 60).SequenceEqual(part));
            Assert.Equal(25u, reader.Remaining);
            Assert.False(reader.TryRead(out Big _));
            Assert.False(reader.TrySkip(26));
            Assert.Equal(25u, reader.Remaining);

            Assert.True(writer.TryWrite(number));
            Assert.True(writer.TrySkip(5));
            Assert.True(writer.TryCopyFrom(part));
            Assert.False(writer.TryCopyFrom(new byte[28]));
            Assert.Equal(27u, writer.Remaining);
            Assert.Equal(73u, writer.Written);
            byte[] written = Gather(bench, writable);
            Assert.True(message.AsSpan(0, 8).SequenceEqual(written.AsSpan(0, 8)));
            Assert.Equal(-1, written.AsSpan(8, 5).IndexOfAnyExcept((byte)0));
            Assert.True(written.AsSpan(13, 60).SequenceEqual(part));
            Assert.Equal(-1, written.AsSpan(73).IndexOfAnyExcept((byte)0));
        }
    }

    [Fact]
    public void TryTake_AnyFraming_CoversTheSameBytes()
    {
        Random random = new(12);
        byte[] message = new byte[100];
        random.NextBytes(message);
        var taken = new Segment[100];
        for (int round = 0; round < 500; round++)
        {
            using RingBench bench = new(new(false, 128, false, false, false));
            GuestRange[] readable = Cut(bench, random, 100);
            Scatter(bench, readable, message);
            bench.Driver.TryAdd(readable, Cut(bench, random, 100), 1);
            bench.Driver.Publish();
            Assert.True(bench.Device.TryPop(out DescriptorChain chain));

            ChainReader reader = chain.Reader;
            ChainWriter writer = chain.Writer;
            Assert.True(reader.TrySkip(16));
            Assert.True(reader.TryTake(70, taken, out int used));
            Assert.True(message.AsSpan(16, 70).SequenceEqual(Concatenate(taken.AsSpan(0, used))));
            Assert.Equal(14u, reader.Remaining);
            Assert.False(reader.TryTake(15, taken, out _));
            Assert.True(writer.TryTake(99, taken, out used));
            Assert.Equal(99, Concatenate(taken.AsSpan(0, used)).Length);
            Assert.Equal(1, writer.Next.Length);
            Assert.True(writer.TrySkip(1));
            Assert.True(writer.Next.IsEmpty);
        }
    }

    [Fact]
    public void TryTake_TooFewSegments_Fails()
    {
        using RingBench bench = new(new(false, 8, false, false, false));
        GuestRange data = bench.Allocate(30);
        GuestRange[] pieces = [new(data.Address, 10), new(data.Address + 10, 10), new(data.Address + 20, 10)];
        bench.Driver.TryAdd(pieces, [], 1);
        bench.Driver.Publish();
        Assert.True(bench.Device.TryPop(out DescriptorChain chain));

        ChainReader reader = chain.Reader;

        Assert.False(reader.TryTake(30, new Segment[2], out _));
    }

    /// <summary>Cuts a buffer into pieces at random, some of them empty, and no two behind one another.</summary>
    private static GuestRange[] Cut(RingBench bench, Random random, int total)
    {
        List<GuestRange> pieces = [];
        while (total > 0)
        {
            int length = Math.Min(total, random.Next(4) == 0 ? random.Next(2) : random.Next(1, 40));
            pieces.Add(new(bench.Allocate((uint)length + 1, 1).Address, (uint)length));
            total -= length;
        }

        return [.. pieces];
    }

    private static void Scatter(RingBench bench, GuestRange[] pieces, ReadOnlySpan<byte> bytes)
    {
        foreach (GuestRange piece in pieces)
        {
            bytes[..(int)piece.LengthBytes].CopyTo(bench.Bytes(piece));
            bytes = bytes[(int)piece.LengthBytes..];
        }
    }

    private static byte[] Gather(RingBench bench, GuestRange[] pieces)
    {
        List<byte> bytes = [];
        foreach (GuestRange piece in pieces)
        {
            bytes.AddRange(bench.Bytes(piece));
        }

        return [.. bytes];
    }

    private static byte[] Concatenate(ReadOnlySpan<Segment> segments)
    {
        List<byte> bytes = [];
        foreach (Segment segment in segments)
        {
            bytes.AddRange(segment.Bytes);
        }

        return [.. bytes];
    }

    /// <summary>More than what is left.</summary>
    private unsafe struct Big
    {
        public fixed byte Bytes[26];
    }
}
