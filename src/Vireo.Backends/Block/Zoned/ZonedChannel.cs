using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Filters;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Backends.Block.Zoned;

/// <summary>The way from one queue to a zoned disk: asks the zones before, and tells them after.</summary>
internal sealed class ZonedChannel : FilterChannel, IZonedBlockChannel, IFileCompletions
{
    private readonly ZonedDisk _disk;
    private readonly BlockTraits _innerTraits;
    private readonly ThreadEngine? _synchronizer;
    private readonly ZonedRequest[] _requests;

    /// <summary>Makes a channel.</summary>
    public ZonedChannel(
        ZonedDisk disk,
        IBlockBackend inner,
        int queueIndex,
        int tagCount,
        IBlockCompletions completions
    )
        : base(inner, queueIndex, tagCount, completions)
    {
        _disk = disk;
        _innerTraits = inner.Traits;
        _requests = new ZonedRequest[tagCount];
        _synchronizer = disk.OpenSynchronizer(queueIndex, tagCount, this);
    }

    /// <inheritdoc/>
    public override void BeginStop() => Inner.BeginStop();

    /// <inheritdoc/>
    public override void Dispose()
    {
        _synchronizer?.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    public void ManageZone(uint tag, BlockZoneAction action, long offsetBytes)
    {
        ref ZonedRequest request = ref Begin(tag);
        if (action == BlockZoneAction.ResetAll)
        {
            request.LastZone = int.MaxValue;
            ResetNext(tag, ref request);
            return;
        }

        BlockResult result = _disk.Manage(action, offsetBytes);
        if (result != BlockResult.Done)
        {
            Completions.Complete(tag, result);
        }
        else if (action == BlockZoneAction.Reset)
        {
            request.Zone = _disk.IndexOf(offsetBytes);
            request.LastZone = request.Zone;
            ResetNext(tag, ref request);
        }
        else
        {
            Synchronize(tag, ref request);
        }
    }

    /// <inheritdoc/>
    public void Append(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable)
    {
        ref ZonedRequest request = ref Begin(tag);
        BlockResult result = _disk.BeginAppend(offsetBytes, LengthOf(source), out request.OffsetBytes);
        if (result != BlockResult.Done)
        {
            Completions.Complete(tag, result);
            return;
        }

        request.Call = new(ChannelCallKind.Write, tag, source, request.OffsetBytes, LengthOf(source), isStable);
        request.Call.MakeOn(Inner);
    }

    /// <inheritdoc/>
    public long AppendedOffsetOf(uint tag) => _requests[tag].OffsetBytes;

    /// <inheritdoc/>
    public override void Complete(uint tag, BlockResult result)
    {
        ref ZonedRequest request = ref _requests[tag];
        if (request.Step == ZonedStep.Forget)
        {
            request.IsWaiting = false;
            request.Result = result;
            if (!request.IsSubmitting)
            {
                OnForgotten(tag, ref request);
            }

            return;
        }

        OnTransferred(tag, ref request, result);
    }

    /// <inheritdoc/>
    void IFileCompletions.Complete(uint tag, int result) =>
        Completions.Complete(
            tag,
            result >= 0 ? BlockResult.Done
                : (Errno)(-result) is Errno.ENOSPC ? BlockResult.NoSpace
                : BlockResult.IoError
        );

    /// <inheritdoc/>
    private protected override void Begin(in ChannelCall call)
    {
        ref ZonedRequest request = ref Begin(call.Tag);
        request.Call = call;
        switch (call.Kind)
        {
            case ChannelCallKind.Read:
                BeginRead(ref request);
                break;
            case ChannelCallKind.Write:
                BeginWrite(ref request);
                break;
            case ChannelCallKind.SecureErase:
                BeginSecureErase(ref request);
                break;
            case ChannelCallKind.Flush:
                call.MakeOn(Inner);
                break;
            default:
                Completions.Complete(call.Tag, BlockResult.Unsupported);
                break;
        }
    }

    private ref ZonedRequest Begin(uint tag)
    {
        ref ZonedRequest request = ref _requests[tag];
        request = default;
        return ref request;
    }

    private void BeginRead(ref ZonedRequest request)
    {
        ChannelCall call = request.Call;
        BlockResult result = _disk.BeginRead(call.OffsetBytes, call.LengthBytes, out request.WrittenBytes);
        if (result != BlockResult.Done)
        {
            Completions.Complete(call.Tag, result);
        }
        else if (request.WrittenBytes == 0)
        {
            request.ClearUnwritten();
            Completions.Complete(call.Tag, BlockResult.Done);
        }
        else
        {
            call.MakeOn(Inner);
        }
    }

    private void BeginWrite(ref ZonedRequest request)
    {
        ChannelCall call = request.Call;
        BlockResult result = _disk.BeginWrite(call.OffsetBytes, call.LengthBytes);
        if (result != BlockResult.Done)
        {
            Completions.Complete(call.Tag, result);
            return;
        }

        call.MakeOn(Inner);
    }

    private void BeginSecureErase(ref ZonedRequest request)
    {
        ChannelCall call = request.Call;
        long zoneBytes = (long)_disk.ZoneTraits.ZoneSectors * BlockDevice.SectorBytes;
        if (call.OffsetBytes % zoneBytes != 0 || call.LengthBytes % zoneBytes != 0)
        {
            Completions.Complete(call.Tag, BlockResult.IoError);
            return;
        }

        request.IsSecure = true;
        request.Zone = _disk.IndexOf(call.OffsetBytes);
        request.LastZone = _disk.IndexOf(call.OffsetBytes + call.LengthBytes - 1);
        ResetNext(call.Tag, ref request);
    }

    private void OnTransferred(uint tag, ref ZonedRequest request, BlockResult result)
    {
        ChannelCall call = request.Call;
        if (call.Kind == ChannelCallKind.Read)
        {
            request.ClearUnwritten();
        }
        else if (call.Kind == ChannelCallKind.Write && result != BlockResult.Done)
        {
            _disk.UndoWrite(call.OffsetBytes, call.LengthBytes);
        }

        bool needsSynchronizing =
            call.Kind == ChannelCallKind.Flush || (call.Kind == ChannelCallKind.Write && call.Flag);
        if (needsSynchronizing && result == BlockResult.Done)
        {
            Synchronize(tag, ref request);
        }
        else
        {
            Completions.Complete(tag, result);
        }
    }

    /// <summary>Goes on with the next zone that has something to reset, or ends.</summary>
    private void ResetNext(uint tag, ref ZonedRequest request)
    {
        request.Step = ZonedStep.Forget;
        while (true)
        {
            request.Zone = _disk.NextToReset(
                request.Zone,
                request.LastZone,
                out request.OffsetBytes,
                out request.RemainingBytes
            );
            if (request.Zone < 0)
            {
                Synchronize(tag, ref request);
                return;
            }

            if (!TryForget(tag, ref request))
            {
                return;
            }

            _disk.Reset(request.Zone);
            request.Zone++;
        }
    }

    /// <summary>The disk behind has forgotten a piece of a zone.</summary>
    private void OnForgotten(uint tag, ref ZonedRequest request)
    {
        if (TryForget(tag, ref request))
        {
            _disk.Reset(request.Zone);
            request.Zone++;
            ResetNext(tag, ref request);
        }
    }

    /// <summary>Has the disk behind forget what the zone held, piece by piece, as long as it answers at once.</summary>
    /// <returns>False when it answers later, or the request has ended with a failure.</returns>
    private bool TryForget(uint tag, ref ZonedRequest request)
    {
        while (true)
        {
            // A reset that only saves room may fail to; what lies behind the pointer reads as zeroes anyway.
            if (request.IsSecure && request.Result != BlockResult.Done)
            {
                Completions.Complete(tag, request.Result);
                return false;
            }

            long length = Math.Min(request.RemainingBytes, LongestForget(request.IsSecure));
            if (length == 0)
            {
                return true;
            }

            long offset = request.OffsetBytes;
            request.OffsetBytes += length;
            request.RemainingBytes -= length;
            request.IsWaiting = true;
            request.IsSubmitting = true;
            if (request.IsSecure)
            {
                Inner.SecureErase(tag, offset, length);
            }
            else
            {
                Inner.Discard(tag, offset, length);
            }

            request.IsSubmitting = false;
            if (request.IsWaiting)
            {
                return false;
            }
        }
    }

    private long LongestForget(bool isSecure) =>
        (isSecure ? _innerTraits.SecureErase : _innerTraits.Discard)?.LengthBytesMax ?? 0;

    private void Synchronize(uint tag, ref ZonedRequest request)
    {
        request.Step = ZonedStep.Synchronize;
        if (_synchronizer is null)
        {
            Completions.Complete(tag, BlockResult.Done);
        }
        else
        {
            _synchronizer.Submit(tag, new(FileOperation.Sync, FileChoice.Main, 0, 0, default, IsStable: false));
        }
    }
}
