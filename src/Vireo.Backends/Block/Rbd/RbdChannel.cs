using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Images;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Rbd;

namespace Vireo.Backends.Block.Rbd;

/// <summary>The way from one queue to an RBD image.</summary>
/// <remarks>The queue's loop makes requests and takes their ends; whichever loop has found them has handed them over.</remarks>
internal sealed class RbdChannel : LoopMember, IBlockChannel
{
    /// <summary>Ranges without data go in pieces of this size, so that a cluster can do something else in between.</summary>
    private const long RangeBytesMax = 1L << 30;

    private const int BatchMax = 32;

    private readonly RbdDisk _disk;
    private readonly IBlockCompletions _completions;
    private readonly RbdRequest[] _requests;
    private readonly RbdEvent[] _batch = new RbdEvent[BatchMax];
    private readonly Lock _gate = new();

    /// <summary>What names this channel in a request's cookie, in its upper half.</summary>
    private readonly ulong _place;

    /// <summary>Requests that have ended; guarded by <see cref="_gate"/>.</summary>
    private List<(uint Tag, long Result)> _done;

    /// <summary>Those being delivered; the loop's own.</summary>
    private List<(uint Tag, long Result)> _delivering;

    /// <summary>Makes a channel.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="loop">The queue's loop.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    public RbdChannel(RbdDisk disk, EventLoop loop, int tagCount, IBlockCompletions completions)
        : base(loop)
    {
        _disk = disk;
        _completions = completions;
        _requests = new RbdRequest[tagCount];
        // A tag has one part on its way: neither list ever grows.
        _done = new(tagCount);
        _delivering = new(tagCount);
        _place = (ulong)disk.Enter(this) << 32;
    }

    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes)
    {
        _requests[tag] = new()
        {
            Kind = ImageRequestKind.Read,
            OffsetBytes = offsetBytes,
            Memory = destination,
        };
        Continue(tag);
    }

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable)
    {
        _requests[tag] = new()
        {
            Kind = ImageRequestKind.Write,
            OffsetBytes = offsetBytes,
            Memory = source,
            Flag = (isStable || _disk.Traits.IsWriteThrough) && _disk.CanFlush,
        };
        Continue(tag);
    }

    /// <inheritdoc/>
    public void Flush(uint tag)
    {
        if (!_disk.CanFlush)
        {
            _completions.Complete(tag, BlockResult.Done);
            return;
        }

        _requests[tag] = new() { Kind = ImageRequestKind.Flush };
        Continue(tag);
    }

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes)
    {
        _requests[tag] = new()
        {
            Kind = ImageRequestKind.Discard,
            OffsetBytes = offsetBytes,
            RemainingBytes = lengthBytes,
        };
        Continue(tag);
    }

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap)
    {
        _requests[tag] = new()
        {
            Kind = ImageRequestKind.WriteZeroes,
            OffsetBytes = offsetBytes,
            RemainingBytes = lengthBytes,
            Flag = mayUnmap,
        };
        Continue(tag);
    }

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        _completions.Complete(tag, BlockResult.Unsupported);

    /// <inheritdoc/>
    public void BeginStop()
    {
        // librbd takes no request back: how long a silent cluster is waited for is the cluster's configuration's to say.
    }

    /// <summary>A request has ended. On any loop's thread.</summary>
    public void Post(uint tag, long result)
    {
        lock (_gate)
        {
            _done.Add((tag, result));
        }

        Activate();
    }

    /// <inheritdoc/>
    protected override bool Run()
    {
        // A queue that is awake finds its requests itself.
        bool hasFound = _disk.Deliver(_batch);
        lock (_gate)
        {
            (_done, _delivering) = (_delivering, _done);
        }

        int count = _delivering.Count;
        for (int index = 0; index < count; index++)
        {
            (uint tag, long result) = _delivering[index];
            EndPart(tag, result);
        }

        _delivering.Clear();
        return hasFound || count > 0;
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
    private protected override void OnStopped() => _disk.Leave(this);

    private static BlockResult ResultOf(Errno error) =>
        error switch
        {
            Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG => BlockResult.NoSpace,
            Errno.EOPNOTSUPP => BlockResult.Unsupported,
            _ => BlockResult.IoError,
        };

    /// <summary>Sends the next part of a request.</summary>
    private void Continue(uint tag)
    {
        ref RbdRequest request = ref _requests[tag];
        RbdImage image = _disk.Image;
        ulong cookie = _place | tag;
        int result;
        switch (request.Kind)
        {
            case ImageRequestKind.Read:
                result = image.Read(NextVectors(ref request), request.OffsetBytes, cookie);
                break;
            case ImageRequestKind.Write:
                result = image.Write(NextVectors(ref request), request.OffsetBytes, cookie);
                break;
            case ImageRequestKind.Flush:
                result = image.Flush(cookie);
                break;
            case ImageRequestKind.Discard:
                request.PartBytes = Math.Min(request.RemainingBytes, RangeBytesMax);
                result = image.Discard(request.OffsetBytes, request.PartBytes, cookie);
                break;
            default:
                request.PartBytes = Math.Min(request.RemainingBytes, RangeBytesMax);
                result = image.WriteZeroes(request.OffsetBytes, request.PartBytes, request.Flag, cookie);
                break;
        }

        if (result < 0)
        {
            _completions.Complete(tag, ResultOf((Errno)(-result)));
        }
    }

    /// <summary>The segments of the next part, which stay where they are until it ends: they are pinned.</summary>
    private static ReadOnlySpan<IoVector> NextVectors(ref RbdRequest request)
    {
        request.PartSegments = Math.Min(request.Memory.Count, RbdImage.VectorsMax);
        Span<Segment> part = request.Memory.AsSpan(0, request.PartSegments);
        request.PartBytes = 0;
        foreach (ref readonly Segment segment in part)
        {
            request.PartBytes += segment.Length;
        }

        return Wire.Reinterpret<Segment, IoVector>((ReadOnlySpan<Segment>)part);
    }

    /// <summary>A part of a request has ended.</summary>
    private void EndPart(uint tag, long result)
    {
        ref RbdRequest request = ref _requests[tag];
        if (result < 0)
        {
            // An errno fits; anything else is a failure, too.
            _completions.Complete(tag, ResultOf(result >= int.MinValue + 1L ? (Errno)(int)-result : Errno.EIO));
            return;
        }

        if (request.Kind == ImageRequestKind.Flush)
        {
            _completions.Complete(tag, BlockResult.Done);
            return;
        }

        if (request.Kind == ImageRequestKind.Read && result != request.PartBytes)
        {
            // The image has become shorter.
            _completions.Complete(tag, BlockResult.IoError);
            return;
        }

        request.OffsetBytes += request.PartBytes;
        bool isTransfer = request.Kind is ImageRequestKind.Read or ImageRequestKind.Write;
        if (isTransfer)
        {
            request.Memory = request.Memory[request.PartSegments..];
        }
        else
        {
            request.RemainingBytes -= request.PartBytes;
        }

        if (isTransfer ? request.Memory.Count > 0 : request.RemainingBytes > 0)
        {
            Continue(tag);
        }
        else if (request.Kind == ImageRequestKind.Write && request.Flag)
        {
            request.Kind = ImageRequestKind.Flush;
            Continue(tag);
        }
        else
        {
            _completions.Complete(tag, BlockResult.Done);
        }
    }
}
