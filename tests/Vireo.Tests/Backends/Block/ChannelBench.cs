using System.Diagnostics;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Tests.Backends.Block;

/// <summary>One channel to a disk, and a loop that the test turns by hand: every call waits for its answer.</summary>
internal sealed class ChannelBench : IBlockCompletions, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan OneSleep = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<uint, byte[]> _buffers = [];
    private readonly Dictionary<uint, BlockResult> _results = [];
    private readonly EventLoop? _loop;
    private readonly IDisposable? _owned;
    private int _pending;
    private bool _isMeasuring;
    private BlockResult _lastResult;

    /// <summary>Opens a channel.</summary>
    /// <param name="backend">The disk.</param>
    /// <param name="loop">Its loop, which no thread runs; null for a disk that answers during the call.</param>
    /// <param name="owned">Disposed at the end, before the loop.</param>
    public ChannelBench(IBlockBackend backend, EventLoop? loop = null, IDisposable? owned = null)
    {
        Backend = backend;
        _loop = loop;
        _owned = owned;
        Channel = backend.OpenChannel(0, this);
    }

    public IBlockBackend Backend { get; }

    public IBlockChannel Channel { get; }

    public void Complete(uint tag, BlockResult result)
    {
        _pending--;
        _lastResult = result;
        if (!_isMeasuring)
        {
            Assert.True(_results.TryAdd(tag, result), $"request {tag} was answered twice");
        }
    }

    public BlockResult ResultOf(uint tag) => _results[tag];

    public byte[] BytesOf(uint tag) => _buffers[tag];

    public byte[] Read(long offsetBytes, int lengthBytes, int segmentBytes = int.MaxValue)
    {
        PostRead(0, offsetBytes, lengthBytes, segmentBytes);
        WaitForAll();
        Assert.Equal(BlockResult.Done, _results[0]);
        return _buffers[0];
    }

    public BlockResult TryRead(long offsetBytes, int lengthBytes)
    {
        PostRead(0, offsetBytes, lengthBytes);
        WaitForAll();
        return _results[0];
    }

    public BlockResult Write(long offsetBytes, byte[] data, int segmentBytes = int.MaxValue, bool isStable = false)
    {
        PostWrite(0, offsetBytes, data, segmentBytes, isStable);
        WaitForAll();
        return _results[0];
    }

    public BlockResult Flush() => Do(channel => channel.Flush(0));

    public BlockResult Discard(long offsetBytes, long lengthBytes) =>
        Do(channel => channel.Discard(0, offsetBytes, lengthBytes));

    public BlockResult WriteZeroes(long offsetBytes, long lengthBytes, bool mayUnmap) =>
        Do(channel => channel.WriteZeroes(0, offsetBytes, lengthBytes, mayUnmap));

    public void PostRead(uint tag, long offsetBytes, int lengthBytes, int segmentBytes = int.MaxValue)
    {
        byte[] buffer = GC.AllocateArray<byte>(lengthBytes, pinned: true);
        buffer.AsSpan().Fill(0xEE);
        _buffers[tag] = buffer;
        Begin(tag);
        Channel.Read(tag, Cut(buffer, segmentBytes), offsetBytes);
    }

    public void PostWrite(
        uint tag,
        long offsetBytes,
        byte[] data,
        int segmentBytes = int.MaxValue,
        bool isStable = false
    )
    {
        byte[] buffer = GC.AllocateArray<byte>(data.Length, pinned: true);
        data.CopyTo(buffer, 0);
        _buffers[tag] = buffer;
        Begin(tag);
        Channel.Write(tag, Cut(buffer, segmentBytes), offsetBytes, isStable);
    }

    public BlockResult Do(Action<IBlockChannel> request)
    {
        Begin(0);
        request(Channel);
        WaitForAll();
        return _results[0];
    }

    public void WaitForAll()
    {
        long start = Stopwatch.GetTimestamp();
        while (_pending > 0)
        {
            Assert.NotNull(_loop);
            _loop.RunOnce(OneSleep);
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"{_pending} requests were never answered");
        }
    }

    /// <summary>Bytes allocated on this thread by reads and writes in turn, after some to warm up.</summary>
    public long MeasureAllocations(int rounds, long offsetBytes, int lengthBytes)
    {
        ArraySegment<Segment> segments = Cut(GC.AllocateArray<byte>(lengthBytes, pinned: true), int.MaxValue);
        _isMeasuring = true;
        Exercise(rounds, offsetBytes, segments);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exercise(rounds, offsetBytes, segments);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    public void Dispose()
    {
        Channel.Dispose();
        _owned?.Dispose();
        _loop?.Dispose();
    }

    private void Exercise(int rounds, long offsetBytes, ArraySegment<Segment> segments)
    {
        for (int round = 0; round < rounds; round++)
        {
            _pending++;
            Channel.Write(1, segments, offsetBytes, isStable: false);
            Turn();
            _pending++;
            Channel.Read(1, segments, offsetBytes);
            Turn();
        }
    }

    private void Turn()
    {
        for (int turns = 0; _pending > 0 && turns < 100_000; turns++)
        {
            _loop!.RunOnce(OneSleep);
        }

        Assert.True(_pending == 0 && _lastResult == BlockResult.Done);
    }

    private void Begin(uint tag)
    {
        _results.Remove(tag);
        _pending++;
    }

    private static ArraySegment<Segment> Cut(byte[] buffer, int segmentBytes)
    {
        List<Segment> pieces = [];
        for (int at = 0; at < buffer.Length; at += Math.Min(segmentBytes, buffer.Length - at))
        {
            pieces.Add(Segment.OverPinned(buffer.AsSpan(at, Math.Min(segmentBytes, buffer.Length - at))));
        }

        Segment[] pinned = GC.AllocateArray<Segment>(pieces.Count, pinned: true);
        pieces.CopyTo(pinned);
        return pinned;
    }
}
