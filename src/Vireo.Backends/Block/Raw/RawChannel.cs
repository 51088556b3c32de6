using Vireo.Backends.Block.Engines;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Backends.Block.Raw;

/// <summary>The way from one queue to a file: byte N of the disk is byte N of the file.</summary>
/// <remarks>
/// Goes on where the kernel did only a part, tries again where it asked to, bounces what O_DIRECT refuses, takes the next best way
/// to make zeroes, and turns errors into results.
/// </remarks>
internal sealed class RawChannel : IBlockChannel, IFileCompletions
{
    /// <summary>The kernel asks to try again when it is short of memory for a moment; a device that is gone asks for ever.</summary>
    private const int RetriesMax = 1000;

    private const int NoBounce = -1;

    private readonly RawDisk _disk;
    private readonly IBlockCompletions _completions;
    private readonly IFileEngine _engine;

    /// <summary>For what <see cref="_engine"/> cannot do; may be the same.</summary>
    private readonly IFileEngine _blocking;

    private readonly RawRequest[] _requests;
    private readonly BouncePool _bounces = new();

    /// <summary>Requests that wait for a bounce buffer.</summary>
    private readonly Queue<uint> _waiting = new();

    /// <summary>Makes a channel.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="queueIndex">The queue, for the disk to choose the loop.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    public RawChannel(RawDisk disk, int queueIndex, int tagCount, IBlockCompletions completions)
    {
        _disk = disk;
        _completions = completions;
        _requests = new RawRequest[tagCount];
        (_engine, _blocking) = disk.OpenEngines(queueIndex, tagCount, this);
    }

    /// <inheritdoc/>
    public void UseMemory(GuestMemory memory) => _disk.RegisterMemory(memory, _engine);

    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes) =>
        BeginTransfer(tag, FileOperation.Read, destination, offsetBytes, isStable: false);

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        BeginTransfer(
            tag,
            FileOperation.Write,
            source,
            offsetBytes,
            (isStable || _disk.IsWriteThrough) && !_disk.IsUnsafe
        );

    /// <inheritdoc/>
    public void Flush(uint tag)
    {
        if (_disk.IsUnsafe)
        {
            _completions.Complete(tag, BlockResult.Done);
            return;
        }

        if (_disk.HasLostWrites)
        {
            _completions.Complete(tag, BlockResult.IoError);
            return;
        }

        Begin(tag, FileOperation.Sync, 0, 0);
        _engine.Submit(tag, new(FileOperation.Sync, FileChoice.Main, 0, 0, default, IsStable: false));
    }

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes)
    {
        FileOperation operation = _disk.IsBlockDevice ? FileOperation.DiscardBlocks : FileOperation.PunchHole;
        Begin(tag, operation, offsetBytes, lengthBytes).IsDiscard = true;
        SubmitRange(tag);
    }

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap)
    {
        Begin(tag, _disk.FirstWayToZero(mayUnmap), offsetBytes, lengthBytes);
        SubmitRange(tag);
    }

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes)
    {
        Begin(tag, FileOperation.SecureEraseBlocks, offsetBytes, lengthBytes);
        SubmitRange(tag);
    }

    /// <inheritdoc/>
    public void BeginStop() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        if (!ReferenceEquals(_engine, _blocking))
        {
            _blocking.Dispose();
        }

        _bounces.Dispose();
    }

    /// <inheritdoc/>
    public void Complete(uint tag, int result)
    {
        ref RawRequest request = ref _requests[tag];
        if (result < 0)
        {
            OnError(tag, ref request, (Errno)(-result));
        }
        else if (request.Operation is FileOperation.Read or FileOperation.Write)
        {
            OnTransferred(tag, ref request, result);
        }
        else
        {
            Finish(tag, ref request, BlockResult.Done);
        }
    }

    /// <summary>What an error of the kernel means.</summary>
    /// <param name="error">The error.</param>
    /// <param name="hasZones">Whether the disk has zones; of others nobody hears that a zone could not be opened.</param>
    internal static BlockResult ResultOf(Errno error, bool hasZones) =>
        error switch
        {
            Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG => BlockResult.NoSpace,
            // The block layer's words for a zone that could not be opened.
            Errno.ETOOMANYREFS when hasZones => BlockResult.ZoneOpenLimit,
            Errno.EOVERFLOW when hasZones => BlockResult.ZoneActiveLimit,
            _ => BlockResult.IoError,
        };

    private ref RawRequest Begin(uint tag, FileOperation operation, long offsetBytes, long lengthBytes)
    {
        ref RawRequest request = ref _requests[tag];
        request = default;
        request.Operation = operation;
        request.Bounce = NoBounce;
        request.OffsetBytes = offsetBytes;
        request.RemainingBytes = lengthBytes;
        return ref request;
    }

    private void BeginTransfer(
        uint tag,
        FileOperation operation,
        ArraySegment<Segment> segments,
        long offsetBytes,
        bool isStable
    )
    {
        ref RawRequest request = ref Begin(tag, operation, offsetBytes, 0);
        request.Rest = segments;
        request.IsStable = isStable;
        bool isAligned = true;
        int mask = _disk.MemoryAlignmentBytes - 1;
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            request.RemainingBytes += segment.Length;
            isAligned &= (segment.Address & mask) == 0 && (segment.Length & mask) == 0;
        }

        long offsetMask = _disk.OffsetAlignmentBytes - 1;
        if (((offsetBytes | request.RemainingBytes) & offsetMask) != 0)
        {
            request.File = FileChoice.Cached;
        }
        else if (!isAligned && !TryTakeBounce(tag, ref request))
        {
            return;
        }

        SubmitPiece(tag, ref request);
    }

    /// <summary>Gives a request a bounce buffer.</summary>
    /// <returns>False when the request has to wait for one.</returns>
    private bool TryTakeBounce(uint tag, ref RawRequest request)
    {
        if (_waiting.Count == 0 && _bounces.TryTake(out request.Bounce))
        {
            return true;
        }

        request.Bounce = NoBounce;
        _waiting.Enqueue(tag);
        return false;
    }

    private void SubmitPiece(uint tag, ref RawRequest request)
    {
        ArraySegment<Segment> segments = request.Rest;
        if (request.Bounce != NoBounce)
        {
            int length = (int)Math.Min(request.RemainingBytes, BouncePool.BufferBytes);
            segments = _bounces.Segments(request.Bounce, length);
            if (request.Operation == FileOperation.Write)
            {
                request.CopyTo(segments[0].Bytes);
            }
        }

        segments = segments[..Math.Min(segments.Count, FileRequest.SegmentsMax)];
        _engine.Submit(tag, new(request.Operation, request.File, request.OffsetBytes, 0, segments, request.IsStable));
    }

    private void SubmitRange(uint tag)
    {
        ref RawRequest request = ref _requests[tag];
        bool isBlocking =
            request.Operation
            is FileOperation.DiscardBlocks
                or FileOperation.SecureEraseBlocks
                or FileOperation.WriteZeroBytes;
        IFileEngine engine = isBlocking ? _blocking : _engine;
        engine.Submit(
            tag,
            new(
                request.Operation,
                FileChoice.Main,
                request.OffsetBytes,
                request.RemainingBytes,
                default,
                IsStable: false
            )
        );
    }

    private void OnTransferred(uint tag, ref RawRequest request, int bytes)
    {
        bool isRead = request.Operation == FileOperation.Read;
        if (isRead && request.Bounce != NoBounce)
        {
            request.CopyFrom(_bounces.Segment(request.Bounce, bytes).Bytes);
        }

        request.Advance(bytes);
        request.Retries = 0;
        if (request.RemainingBytes == 0)
        {
            Finish(tag, ref request, BlockResult.Done);
        }
        else if (isRead && request.OffsetBytes >= _disk.FileBytes)
        {
            // A file that is no whole number of blocks ends inside the last one; what it lacks reads as zeroes.
            request.Clear();
            Finish(tag, ref request, BlockResult.Done);
        }
        else if (bytes == 0)
        {
            // Somebody has cut the file behind our back, or a write goes nowhere.
            Finish(tag, ref request, BlockResult.IoError);
        }
        else
        {
            SubmitPiece(tag, ref request);
        }
    }

    private void OnError(uint tag, ref RawRequest request, Errno error)
    {
        if (error is Errno.EAGAIN or Errno.EINTR && request.Retries < RetriesMax)
        {
            request.Retries++;
            Resubmit(tag, ref request);
            return;
        }

        switch (request.Operation)
        {
            case FileOperation.Read or FileOperation.Write:
                OnTransferError(tag, ref request, error);
                break;
            case FileOperation.Sync:
                _disk.NoteFailedSync();
                Finish(tag, ref request, ResultOf(error, _disk.DeviceZones is not null));
                break;
            default:
                OnRangeError(tag, ref request, error);
                break;
        }
    }

    private void Resubmit(uint tag, ref RawRequest request)
    {
        switch (request.Operation)
        {
            case FileOperation.Read or FileOperation.Write:
                SubmitPiece(tag, ref request);
                break;
            case FileOperation.Sync:
                _engine.Submit(tag, new(FileOperation.Sync, FileChoice.Main, 0, 0, default, IsStable: false));
                break;
            default:
                SubmitRange(tag);
                break;
        }
    }

    private void OnTransferError(uint tag, ref RawRequest request, Errno error)
    {
        if (error == Errno.EINVAL && _disk.IsDirect && request.File == FileChoice.Main)
        {
            // The file system asks for more alignment than it told us of.
            request.File = FileChoice.Cached;
            SubmitPiece(tag, ref request);
            return;
        }

        Finish(tag, ref request, ResultOf(error, _disk.DeviceZones is not null));
    }

    private void OnRangeError(uint tag, ref RawRequest request, Errno error)
    {
        bool isUnknown = error is Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.ENOTTY or Errno.EINVAL;
        if (isUnknown && request.IsDiscard)
        {
            // Nothing was forgotten, which a discard allows.
            Finish(tag, ref request, BlockResult.Done);
            return;
        }

        if (isUnknown && request.Operation == FileOperation.SecureEraseBlocks)
        {
            Finish(tag, ref request, BlockResult.Unsupported);
            return;
        }

        if (isUnknown && request.Operation != FileOperation.WriteZeroBytes)
        {
            request.Operation = _disk.NextWayToZero(request.Operation);
            SubmitRange(tag);
            return;
        }

        Finish(tag, ref request, ResultOf(error, _disk.DeviceZones is not null));
    }

    private void Finish(uint tag, ref RawRequest request, BlockResult result)
    {
        int bounce = request.Bounce;
        request.Bounce = NoBounce;
        request.Restore();
        _completions.Complete(tag, result);
        if (bounce != NoBounce)
        {
            _bounces.Return(bounce);
            SubmitWaiting();
        }
    }

    /// <summary>A bounce buffer has come free.</summary>
    private void SubmitWaiting()
    {
        if (_waiting.TryPeek(out uint tag) && _bounces.TryTake(out int bounce))
        {
            _waiting.Dequeue();
            ref RawRequest request = ref _requests[tag];
            request.Bounce = bounce;
            SubmitPiece(tag, ref request);
        }
    }
}
