using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Tests.Backends.Block;

/// <summary>One channel to a disk, used on its loop as a device uses it; every call waits for its answer.</summary>
internal sealed class ChannelBench : IBlockCompletions, IDisposable
{
    private const int TagCount = 256;
    private const int AllocationAttempts = 5;
    private const int PatienceMs = 20_000;

    private readonly Dictionary<uint, byte[]> _buffers = [];
    private readonly Dictionary<uint, BlockResult> _results = [];
    private readonly Dictionary<uint, Segment[]> _segments = [];
    private readonly ManualResetEventSlim _isIdle = new(initialState: true);
    private readonly EventLoop? _loop;
    private readonly IDisposable[] _owned;

    /// <summary>Requests not answered yet; the loop's own.</summary>
    private int _pending;

    /// <summary>A broken promise, found on the loop's thread.</summary>
    private string? _complaint;

    /// <summary>What <see cref="MeasureAllocations"/> does, on the loop's thread.</summary>
    private AllocationDrive? _drive;

    /// <summary>Opens a channel.</summary>
    /// <param name="backend">The disk.</param>
    /// <param name="loop">Its loop, which runs; null for a disk that answers during the call.</param>
    /// <param name="owned">Disposed at the end, in this order.</param>
    public ChannelBench(IBlockBackend backend, EventLoop? loop = null, params IDisposable[] owned)
    {
        Backend = backend;
        _loop = loop;
        _owned = owned;
        Channel = backend.OpenChannel(0, TagCount, this);
    }

    public IBlockBackend Backend { get; }

    public IBlockChannel Channel { get; }

    public void Complete(uint tag, BlockResult result)
    {
        if (_drive is { } drive)
        {
            drive.Complete(result);
            return;
        }

        if (!_results.TryAdd(tag, result))
        {
            _complaint = $"request {tag} was answered twice";
        }

        _pending--;
        if (_pending == 0)
        {
            _isIdle.Set();
        }
    }

    public BlockResult ResultOf(uint tag) => _results[tag];

    public byte[] BytesOf(uint tag) => _buffers[tag];

    public Segment[] SegmentsOf(uint tag) => _segments[tag];

    public byte[] Read(long offsetBytes, int lengthBytes, int segmentBytes = int.MaxValue, int misalignment = 0)
    {
        PostRead(0, offsetBytes, lengthBytes, segmentBytes, misalignment);
        WaitForAll();
        Assert.Equal(BlockResult.Done, _results[0]);
        return _buffers[0][misalignment..];
    }

    public BlockResult TryRead(long offsetBytes, int lengthBytes)
    {
        PostRead(0, offsetBytes, lengthBytes);
        WaitForAll();
        return _results[0];
    }

    public BlockResult Write(
        long offsetBytes,
        byte[] data,
        int segmentBytes = int.MaxValue,
        bool isStable = false,
        int misalignment = 0
    )
    {
        PostWrite(0, offsetBytes, data, segmentBytes, isStable, misalignment);
        WaitForAll();
        return _results[0];
    }

    public BlockResult Flush() => Do(static channel => channel.Flush(0));

    public BlockResult Discard(long offsetBytes, long lengthBytes) =>
        Do(channel => channel.Discard(0, offsetBytes, lengthBytes));

    public BlockResult WriteZeroes(long offsetBytes, long lengthBytes, bool mayUnmap) =>
        Do(channel => channel.WriteZeroes(0, offsetBytes, lengthBytes, mayUnmap));

    public void PostRead(
        uint tag,
        long offsetBytes,
        int lengthBytes,
        int segmentBytes = int.MaxValue,
        int misalignment = 0
    )
    {
        byte[] buffer = Allocate(tag, lengthBytes, misalignment);
        buffer.AsSpan().Fill(0xEE);
        Post(tag, channel => channel.Read(tag, Cut(tag, buffer, segmentBytes, misalignment), offsetBytes));
    }

    public void PostWrite(
        uint tag,
        long offsetBytes,
        byte[] data,
        int segmentBytes = int.MaxValue,
        bool isStable = false,
        int misalignment = 0
    )
    {
        byte[] buffer = Allocate(tag, data.Length, misalignment);
        data.CopyTo(buffer, misalignment);
        Post(tag, channel => channel.Write(tag, Cut(tag, buffer, segmentBytes, misalignment), offsetBytes, isStable));
    }

    public BlockResult Do(Action<IBlockChannel> request)
    {
        Post(0, request);
        WaitForAll();
        return _results[0];
    }

    public void WaitForAll()
    {
        Assert.True(_isIdle.Wait(PatienceMs), "requests were never answered");
        Assert.Null(_complaint);
    }

    /// <summary>Bytes allocated on the loop's thread by writes and reads in turn, or by reads, after some to warm up.</summary>
    public long MeasureAllocations(int rounds, long offsetBytes, int lengthBytes, bool isReadOnly = false)
    {
        byte[] buffer = Allocate(0, lengthBytes, misalignment: 0);
        // The runtime itself allocates a little when it compiles a method anew; an allocation of requests shows every time.
        long bytes = -1;
        for (int attempt = 0; attempt < AllocationAttempts && bytes != 0; attempt++)
        {
            using AllocationDrive drive = new(
                Channel,
                Cut(0, buffer, int.MaxValue, 0),
                offsetBytes,
                rounds,
                isReadOnly
            );
            OnLoop(() =>
            {
                _drive = drive;
                drive.Run();
            });
            bytes = drive.Wait(PatienceMs);
            OnLoop(() => _drive = null);
        }

        return bytes;
    }

    public void Dispose()
    {
        Channel.Dispose();
        Array.ForEach(_owned, static owned => owned.Dispose());
        _isIdle.Dispose();
    }

    public void Post(uint tag, Action<IBlockChannel> request) =>
        OnLoop(() =>
        {
            _results.Remove(tag);
            _pending++;
            _isIdle.Reset();
            request(Channel);
        });

    /// <summary>Calls the channel, where no request is made.</summary>
    public void Call(Action<IBlockChannel> call) => OnLoop(() => call(Channel));

    /// <summary>Waits until everything that was posted to the loop has run.</summary>
    public void Settle()
    {
        for (int round = 0; round < 3; round++)
        {
            OnLoop(static () => { });
        }
    }

    private void OnLoop(Action action)
    {
        if (_loop is null)
        {
            action();
        }
        else
        {
            _loop.Invoke(action);
        }
    }

    /// <summary>Page-aligned but for the misalignment asked for, and kept until the bench ends.</summary>
    private byte[] Allocate(uint tag, int lengthBytes, int misalignment)
    {
        byte[] buffer = GC.AllocateArray<byte>(lengthBytes + misalignment, pinned: true);
        _buffers[tag] = buffer;
        return buffer;
    }

    private ArraySegment<Segment> Cut(uint tag, byte[] buffer, int segmentBytes, int misalignment)
    {
        List<Segment> pieces = [];
        for (int at = misalignment; at < buffer.Length; at += Math.Min(segmentBytes, buffer.Length - at))
        {
            pieces.Add(Segment.OverPinned(buffer.AsSpan(at, Math.Min(segmentBytes, buffer.Length - at))));
        }

        Segment[] pinned = GC.AllocateArray<Segment>(pieces.Count, pinned: true);
        pieces.CopyTo(pinned);
        _segments[tag] = pinned;
        return pinned;
    }
}
