using Vireo.Core;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Devices.Block;

/// <summary>The data plane of one queue of a block device (VIRTIO 1.4 §5.2.6).</summary>
/// <remarks>
/// <para>
/// A chain becomes a <see cref="BlockRequest"/>, the request one step or several of the channel, and the last step's result the
/// status byte. The channel may answer during the call: then the next step is taken by the loop in <see cref="Continue"/>,
/// never by recursion.
/// </para>
/// <para>
/// Whatever cannot be right is answered here and never reaches the disk: half a sector, a range past the end, a write to a read-only
/// disk. How the driver cut the request into buffers does not matter (§2.7.4).
/// </para>
/// </remarks>
internal sealed partial class BlockQueueHandler : QueueHandler, IBlockCompletions
{
    private const int SectorBytes = BlockDevice.SectorBytes;

    /// <summary>Length of a <see cref="BlockLifetimeHeader"/>.</summary>
    private const uint LifetimeBytes = 6;

    private readonly BlockDevice _device;
    private readonly BlockTraits _traits;
    private readonly BlockQueueStatistics _statistics;

    /// <summary>Arrays for ranges that no request uses.</summary>
    private readonly Stack<BlockRange[]> _freeRanges = new();

    private readonly bool _hasDiscard;
    private readonly bool _hasWriteZeroes;
    private readonly bool _hasSecureErase;
    private readonly bool _hasLifetime;

    /// <summary>The zones; null unless the driver accepted them.</summary>
    private readonly IBlockZones? _zones;

    /// <summary>One per head.</summary>
    private BlockRequest[] _requests = [];

    private SegmentPool _pool = null!;
    private IBlockChannel? _channel;

    /// <summary>Makes the data plane of a queue.</summary>
    /// <param name="device">The device, whose features are negotiated.</param>
    /// <param name="statistics">Where the queue counts.</param>
    public BlockQueueHandler(BlockDevice device, BlockQueueStatistics statistics)
    {
        _device = device;
        _traits = device.Backend.Traits;
        _statistics = statistics;
        _hasDiscard = device.HasFeature(BlockFeatures.Discard);
        _hasWriteZeroes = device.HasFeature(BlockFeatures.WriteZeroes);
        _hasSecureErase = device.HasFeature(BlockFeatures.SecureErase);
        _hasLifetime = device.HasFeature(BlockFeatures.Lifetime);
        _zones = device.HasFeature(BlockFeatures.Zoned) ? device.Backend.Zones : null;
    }

    /// <inheritdoc/>
    protected override bool WantsChains => _pool.HasRoom;

    /// <inheritdoc/>
    public void Complete(uint tag, BlockResult result)
    {
        ref BlockRequest request = ref _requests[tag];
        Invariant.That(request.IsWaiting);
        request.IsWaiting = false;
        request.Result = result;
        if (!request.IsSubmitting)
        {
            Continue(ref request);
        }
    }

    /// <inheritdoc/>
    protected override void OnStarting()
    {
        _requests = new BlockRequest[Queue.Size];
        _pool = new(Queue.Size);
        _channel = _device.Backend.OpenChannel(QueueIndex, Queue.Size, this);
        _channel.UseMemory(Queue.Memory);
    }

    /// <inheritdoc/>
    protected override void OnStopping() => _channel!.BeginStop();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _channel?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        if (chain.WritableBytes == 0)
        {
            // There is no byte to put a status in: all that can be done is to give the chain back.
            _statistics.Add(BlockStatus.IoError, 0, 0);
            Complete(chain.Head, writtenBytes: 0);
            return;
        }

        ref BlockRequest request = ref _requests[chain.Head];
        request.Begin(in chain);
        ChainReader reader = chain.Reader;
        if (!reader.TryRead(out BlockRequestHeader header))
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.Type = (BlockRequestType)header.Type.Value;
        switch (request.Type)
        {
            case BlockRequestType.In:
                BeginRead(ref request, in chain, header.Sector);
                break;
            case BlockRequestType.Out:
                BeginWrite(ref request, in chain, reader, header.Sector);
                break;
            case BlockRequestType.Flush:
                request.NeedsFlush = true;
                Continue(ref request);
                break;
            case BlockRequestType.GetId:
                GetId(ref request, in chain);
                break;
            case >= BlockRequestType.ZoneAppend and <= BlockRequestType.ZoneResetAll when _zones is not null:
                HandleZone(ref request, in chain, reader, header.Sector);
                break;
            case BlockRequestType.GetLifetime when _hasLifetime:
                GetLifetime(ref request, in chain);
                break;
            case BlockRequestType.SecureErase when _hasSecureErase:
            case BlockRequestType.Discard when _hasDiscard:
            case BlockRequestType.WriteZeroes when _hasWriteZeroes:
                BeginRanges(ref request, reader);
                break;
            default:
                Finish(ref request, BlockStatus.Unsupported);
                break;
        }
    }

    private static BlockStatus StatusOf(BlockResult result) =>
        result switch
        {
            BlockResult.Done => BlockStatus.Ok,
            BlockResult.Unsupported => BlockStatus.Unsupported,
            BlockResult.ZoneInvalid => BlockStatus.ZoneInvalid,
            BlockResult.ZoneUnaligned => BlockStatus.ZoneUnaligned,
            BlockResult.ZoneOpenLimit => BlockStatus.ZoneOpenLimit,
            BlockResult.ZoneActiveLimit => BlockStatus.ZoneActiveLimit,
            _ => BlockStatus.IoError,
        };

    private void BeginRead(ref BlockRequest request, in DescriptorChain chain, ulong sector)
    {
        uint bytes = request.WritableDataBytes;
        if (!IsOnDisk(sector, bytes))
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.DataBytes = bytes;
        if (bytes == 0)
        {
            Finish(ref request, BlockStatus.Ok);
            return;
        }

        ChainWriter writer = chain.Writer;
        ArraySegment<Segment> room = _pool.Lease(request.Head, chain.Writable.Length);
        writer.TryTake(bytes, room, out int used);
        request.Data = room;
        Submit(ref request, room[..used], sector);
    }

    private void BeginWrite(ref BlockRequest request, in DescriptorChain chain, ChainReader reader, ulong sector)
    {
        uint bytes = reader.Remaining;
        if (_traits.IsReadOnly || !IsOnDisk(sector, bytes))
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.DataBytes = bytes;
        if (bytes == 0)
        {
            Finish(ref request, BlockStatus.Ok);
            return;
        }

        ArraySegment<Segment> room = _pool.Lease(request.Head, chain.Readable.Length);
        reader.TryTake(bytes, room, out int used);
        request.Data = room;
        Submit(ref request, room[..used], sector);
    }

    /// <summary>The one step of a read or write.</summary>
    private void Submit(ref BlockRequest request, ArraySegment<Segment> data, ulong sector)
    {
        long offset = (long)sector * SectorBytes;
        request.IsWaiting = true;
        request.IsSubmitting = true;
        if (request.Type == BlockRequestType.In)
        {
            _channel!.Read(request.Head, data, offset);
        }
        else
        {
            _channel!.Write(request.Head, data, offset, _device.IsWriteThrough);
        }

        request.IsSubmitting = false;
        if (!request.IsWaiting)
        {
            Finish(ref request, StatusOf(request.Result));
        }
    }

    private void GetId(ref BlockRequest request, in DescriptorChain chain)
    {
        // A driver must give exactly 20 bytes (§5.2.6.1); with more there is room for the answer, with fewer there is not.
        ChainWriter writer = chain.Writer;
        if (request.WritableDataBytes < BlockDevice.SerialBytesMax || !writer.TryCopyFrom(_device.Serial))
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.DataBytes = BlockDevice.SerialBytesMax;
        Finish(ref request, BlockStatus.Ok);
    }

    private void GetLifetime(ref BlockRequest request, in DescriptorChain chain)
    {
        BlockLifetimeHeader answer = new(_device.Backend.Lifetime.GetValueOrDefault());
        ChainWriter writer = chain.Writer;
        if (request.WritableDataBytes < LifetimeBytes || !writer.TryWrite(answer))
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.DataBytes = writer.Written;
        Finish(ref request, BlockStatus.Ok);
    }

    /// <summary>Copies the ranges of a discard or write zeroes request, checks them all, and begins with the first.</summary>
    private void BeginRanges(ref BlockRequest request, ChainReader reader)
    {
        const int HeaderBytes = 16;
        uint count = reader.Remaining / HeaderBytes;
        if (reader.Remaining % HeaderBytes != 0 || count is 0 or > BlockDevice.RangesMax)
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        request.Ranges = _freeRanges.TryPop(out BlockRange[]? kept) ? kept : new BlockRange[BlockDevice.RangesMax];
        BlockStatus status = BlockStatus.Ok;
        while (reader.TryRead(out BlockRangeHeader header))
        {
            status = Worse(status, AddRange(ref request, in header));
        }

        if (status != BlockStatus.Ok)
        {
            Finish(ref request, status);
            return;
        }

        request.NeedsFlush = _device.IsWriteThrough;
        Continue(ref request);
    }

    /// <summary>An unknown flag anywhere makes the request unsupported, whatever else is wrong with it (§5.2.6.2).</summary>
    private static BlockStatus Worse(BlockStatus left, BlockStatus right) => left > right ? left : right;

    private BlockStatus AddRange(ref BlockRequest request, in BlockRangeHeader header)
    {
        uint knownFlags = request.Type == BlockRequestType.WriteZeroes ? BlockRangeHeader.Unmap : 0;
        if ((header.Flags & ~knownFlags) != 0)
        {
            return BlockStatus.Unsupported;
        }

        BlockRangeLimits limits = LimitsOf(request.Type);
        long length = (long)header.SectorCount.Value * SectorBytes;
        if (!IsOnDisk(header.Sector, length) || length > limits.LengthBytesMax)
        {
            return BlockStatus.IoError;
        }

        bool mayUnmap = (header.Flags & BlockRangeHeader.Unmap) != 0;
        request.Ranges![request.RangeCount++] = new((long)header.Sector.Value * SectorBytes, length, mayUnmap);
        return BlockStatus.Ok;
    }

    private BlockRangeLimits LimitsOf(BlockRequestType type) =>
        (
            type switch
            {
                BlockRequestType.Discard => _traits.Discard,
                BlockRequestType.SecureErase => _traits.SecureErase,
                _ => _traits.WriteZeroes,
            }
        ).GetValueOrDefault();

    /// <summary>Whether a range consists of whole logical blocks of the disk as large as it is now.</summary>
    private bool IsOnDisk(ulong sector, long lengthBytes)
    {
        uint sectorsPerBlock = (uint)_traits.LogicalBlockBytes / SectorBytes;
        ulong capacity = (ulong)_device.Backend.CapacitySectors;
        return lengthBytes % _traits.LogicalBlockBytes == 0
            && sector % sectorsPerBlock == 0
            && sector <= capacity
            && (ulong)(lengthBytes / SectorBytes) <= capacity - sector;
    }

    /// <summary>Takes the steps that remain, until one is not answered at once or all are done.</summary>
    private void Continue(ref BlockRequest request)
    {
        while (!request.IsWaiting)
        {
            if (request.Result != BlockResult.Done || !TryStep(ref request))
            {
                Finish(ref request, StatusOf(request.Result));
                return;
            }
        }
    }

    /// <summary>Gives the channel the next step.</summary>
    /// <returns>False when none remains.</returns>
    private bool TryStep(ref BlockRequest request)
    {
        while (request.RangeIndex < request.RangeCount)
        {
            BlockRange range = request.Ranges![request.RangeIndex++];
            if (range.LengthBytes > 0)
            {
                SubmitRange(ref request, range);
                return true;
            }
        }

        if (request.NeedsFlush)
        {
            request.NeedsFlush = false;
            SubmitFlush(ref request);
            return true;
        }

        return false;
    }

    private void SubmitRange(ref BlockRequest request, BlockRange range)
    {
        request.IsWaiting = true;
        request.IsSubmitting = true;
        switch (request.Type)
        {
            case BlockRequestType.Discard:
                _channel!.Discard(request.Head, range.OffsetBytes, range.LengthBytes);
                break;
            case BlockRequestType.SecureErase:
                _channel!.SecureErase(request.Head, range.OffsetBytes, range.LengthBytes);
                break;
            default:
                _channel!.WriteZeroes(request.Head, range.OffsetBytes, range.LengthBytes, range.MayUnmap);
                break;
        }

        request.IsSubmitting = false;
    }

    private void SubmitFlush(ref BlockRequest request)
    {
        request.IsWaiting = true;
        request.IsSubmitting = true;
        _channel!.Flush(request.Head);
        request.IsSubmitting = false;
    }

    /// <summary>Answers a request and gives back what it held.</summary>
    private void Finish(ref BlockRequest request, BlockStatus status)
    {
        bool isOk = status == BlockStatus.Ok;
        uint written = isOk ? WrittenBytes(ref request) : 0;
        _pool.Return(request.Data);
        request.Data = default;
        if (request.Ranges is { } ranges)
        {
            request.Ranges = null;
            _freeRanges.Push(ranges);
        }

        _statistics.Add(
            status,
            isOk && request.Type == BlockRequestType.In ? request.DataBytes : 0,
            isOk && request.Type is BlockRequestType.Out or BlockRequestType.ZoneAppend ? request.DataBytes : 0
        );
        Complete(request.Head, request.Answer(status, written));
    }

    /// <summary>How many bytes from the start of the writable part a request that was done has written.</summary>
    private uint WrittenBytes(ref BlockRequest request) =>
        request.Type switch
        {
            BlockRequestType.In
            or BlockRequestType.GetId
            or BlockRequestType.GetLifetime
            or BlockRequestType.ZoneReport => request.DataBytes,
            BlockRequestType.ZoneAppend => WriteAppendSector(ref request),
            _ => 0,
        };
}
