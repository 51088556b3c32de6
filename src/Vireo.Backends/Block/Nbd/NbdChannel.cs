using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Images;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Nbd;

/// <summary>The way from one queue to an export.</summary>
/// <remarks>The queue's loop hands requests over and takes results; the client's threads do all that may wait.</remarks>
internal sealed class NbdChannel : LoopMember, IBlockChannel, INbdOwner
{
    /// <summary>Ranges without data go in pieces of this size: some servers take 32-bit lengths to be signed.</summary>
    private const long RangeBytesMax = 1L << 30;

    private readonly NbdDisk _disk;
    private readonly NbdClient _client;
    private readonly IBlockCompletions _completions;
    private readonly ImageRequest[] _requests;
    private readonly NbdRequest[] _sent;
    private readonly Lock _gate = new();

    /// <summary>What the client's threads have brought; guarded by <see cref="_gate"/>.</summary>
    private List<(uint Tag, BlockResult Result)> _done;

    /// <summary>The results being delivered; the loop's own.</summary>
    private List<(uint Tag, BlockResult Result)> _delivering;

    private EventLoop? _loop;
    private LoopTimer? _patience;

    /// <summary>Makes a channel.</summary>
    public NbdChannel(NbdDisk disk, EventLoop loop, int tagCount, IBlockCompletions completions)
        : base(loop)
    {
        _disk = disk;
        _client = disk.Client;
        _completions = completions;
        _requests = new ImageRequest[tagCount];
        _sent = new NbdRequest[tagCount];
        for (uint tag = 0; tag < tagCount; tag++)
        {
            _sent[tag] = new(this, tag);
        }

        _done = new(tagCount);
        _delivering = new(tagCount);
    }

    /// <inheritdoc/>
    public bool IsStopping { get; set; }

    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes) =>
        BeginTransfer(tag, ImageRequestKind.Read, destination, offsetBytes, isStable: false);

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        BeginTransfer(
            tag,
            ImageRequestKind.Write,
            source,
            offsetBytes,
            (isStable || _disk.Traits.IsWriteThrough) && _disk.CanFlush
        );

    /// <inheritdoc/>
    public void Flush(uint tag)
    {
        Begin(tag, ImageRequestKind.Flush, 0, 0, flag: false);
        if (_disk.CanFlush)
        {
            Submit(tag, NbdCommand.Flush, 0, 0);
        }
        else
        {
            // A server that has no flush promises that there is nothing to flush.
            _completions.Complete(tag, BlockResult.Done);
        }
    }

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes)
    {
        Begin(tag, ImageRequestKind.Discard, offsetBytes, lengthBytes, flag: false);
        Continue(tag);
    }

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap)
    {
        Begin(tag, ImageRequestKind.WriteZeroes, offsetBytes, lengthBytes, mayUnmap);
        Continue(tag);
    }

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        _completions.Complete(tag, BlockResult.Unsupported);

    /// <inheritdoc/>
    public void BeginStop()
    {
        _client.Stop(this);
        _patience ??= _loop?.StartTimer(_disk.StopPatience, _disk.StopPatience, () => _client.Abandon(this));
    }

    /// <summary>A request has ended. On one of the client's threads, or on the loop's.</summary>
    void INbdOwner.Complete(NbdRequest request, BlockResult result)
    {
        lock (_gate)
        {
            _done.Add((request.Tag, result));
        }

        Activate();
    }

    /// <inheritdoc/>
    protected override bool Run()
    {
        lock (_gate)
        {
            (_done, _delivering) = (_delivering, _done);
        }

        int count = _delivering.Count;
        for (int index = 0; index < count; index++)
        {
            (uint tag, BlockResult result) = _delivering[index];
            Deliver(tag, result);
        }

        _delivering.Clear();
        return count > 0;
    }

    /// <inheritdoc/>
    protected override bool TryArm()
    {
        lock (_gate)
        {
            return _done.Count == 0;
        }
    }

    /// <inheritdoc/>
    private protected override void OnStarted(EventLoop loop) => _loop = loop;

    /// <inheritdoc/>
    private protected override void OnStopped()
    {
        _patience?.Dispose();
        _patience = null;
    }

    private ref ImageRequest Begin(uint tag, ImageRequestKind kind, long offsetBytes, long lengthBytes, bool flag)
    {
        ref ImageRequest request = ref _requests[tag];
        request = default;
        request.Kind = kind;
        request.OffsetBytes = offsetBytes;
        request.RemainingBytes = lengthBytes;
        request.Flag = flag;
        return ref request;
    }

    private void BeginTransfer(
        uint tag,
        ImageRequestKind kind,
        ArraySegment<Segment> segments,
        long offsetBytes,
        bool isStable
    )
    {
        ref ImageRequest request = ref Begin(tag, kind, offsetBytes, 0, isStable);
        request.Memory = new(segments);
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            request.RemainingBytes += segment.Length;
        }

        Continue(tag);
    }

    /// <summary>Sends the next part of a request.</summary>
    private void Continue(uint tag)
    {
        ref ImageRequest request = ref _requests[tag];
        switch (request.Kind)
        {
            case ImageRequestKind.Read:
                Lend(tag, ref request);
                Submit(tag, NbdCommand.Read, 0, request.PartBytes);
                break;
            case ImageRequestKind.Write:
                Lend(tag, ref request);
                ushort isStable = request.Flag && _disk.HasFua ? NbdProtocol.RequestFua : (ushort)0;
                Submit(tag, NbdCommand.Write, isStable, request.PartBytes);
                break;
            case ImageRequestKind.Discard:
                request.PartBytes = Math.Min(request.RemainingBytes, RangeBytesMax);
                Submit(tag, NbdCommand.Trim, 0, request.PartBytes);
                break;
            default:
                request.PartBytes = Math.Min(request.RemainingBytes, RangeBytesMax);
                ushort keepsRoom = request.Flag ? (ushort)0 : NbdProtocol.RequestNoHole;
                Submit(tag, NbdCommand.WriteZeroes, keepsRoom, request.PartBytes);
                break;
        }
    }

    private void Lend(uint tag, ref ImageRequest request)
    {
        request.PartBytes = Math.Min(request.RemainingBytes, _disk.PayloadBytesMax);
        _sent[tag].Memory = request.Memory.Lend(request.PartBytes);
    }

    private void Submit(uint tag, NbdCommand command, ushort flags, long lengthBytes)
    {
        NbdRequest sent = _sent[tag];
        sent.Command = command;
        sent.Flags = flags;
        sent.OffsetBytes = command == NbdCommand.Flush ? 0 : _requests[tag].OffsetBytes;
        sent.LengthBytes = (uint)lengthBytes;
        _client.Submit(sent);
    }

    /// <summary>A part of a request has ended; on the loop's thread.</summary>
    private void Deliver(uint tag, BlockResult result)
    {
        ref ImageRequest request = ref _requests[tag];
        request.Memory.TakeBack();
        bool isTransfer = request.Kind is ImageRequestKind.Read or ImageRequestKind.Write;
        if (result != BlockResult.Done || request.Kind == ImageRequestKind.Flush)
        {
            _completions.Complete(tag, result);
            return;
        }

        if (isTransfer)
        {
            request.Advance(request.PartBytes);
        }
        else
        {
            request.OffsetBytes += request.PartBytes;
            request.RemainingBytes -= request.PartBytes;
        }

        if (request.RemainingBytes > 0)
        {
            Continue(tag);
        }
        else if (request.Kind == ImageRequestKind.Write && request.Flag && !_disk.HasFua)
        {
            request.Kind = ImageRequestKind.Flush;
            Submit(tag, NbdCommand.Flush, 0, 0);
        }
        else
        {
            _completions.Complete(tag, BlockResult.Done);
        }
    }
}
