using System.Diagnostics.CodeAnalysis;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;

namespace Vireo.Drivers.Block;

/// <summary>One queue of a block device: requests in batches, zero copy, without allocation (VIRTIO 1.4 §5.2.6).</summary>
/// <remarks>
/// <para>
/// Used by one thread at a time. A turn is: <see cref="TryRead(ulong, in DriverBuffer, ulong)"/> and its kin as often as wanted,
/// one <see cref="Submit"/>, one <see cref="Complete"/> or <see cref="Wait"/>. Requests in flight have no order among them:
/// a write is sure to be seen by a read, or covered by a flush, only when it completed before that was submitted (§5.2.6.2).
/// </para>
/// <para>
/// Header and status of each request lie in shared memory, in tables of their own, so that a batch touches few cache lines. The
/// device can write to them at any time: nothing is read back but the status, once.
/// </para>
/// </remarks>
public sealed class BlockQueue
{
    /// <summary>What the status holds until the device has written one.</summary>
    private const byte StatusUnwritten = 0xff;

    private static readonly int HeaderBytes = Wire.SizeOf<BlockRequestHeader>();
    private static readonly int RangeBytes = Wire.SizeOf<BlockRangeHeader>();

    private readonly BlockDriver _driver;
    private readonly QueueClient _queue;
    private readonly DriverBuffer _headers;
    private readonly DriverBuffer _ranges;
    private readonly DriverBuffer _statuses;

    /// <summary>The caller's tag of the request in each slot.</summary>
    private readonly ulong[] _tags;

    /// <summary>Free slots; the last one given back is taken first, because it is still in the cache.</summary>
    private readonly ushort[] _free;

    /// <summary>The pieces of the request being put together: header first, status last.</summary>
    private readonly GuestRange[] _pieces;

    private int _freeCount;

    internal BlockQueue(BlockDriver driver, QueueClient queue, DriverMemory memory, int depth)
    {
        _driver = driver;
        _queue = queue;
        _headers = memory.Allocate(depth * HeaderBytes);
        _ranges = memory.Allocate(depth * RangeBytes);
        _statuses = memory.Allocate(depth);
        _tags = new ulong[depth];
        _free = new ushort[depth];
        _pieces = new GuestRange[driver.SegmentsMax + 2];
        for (int slot = 0; slot < depth; slot++)
        {
            _free[slot] = (ushort)(depth - 1 - slot);
        }

        _freeCount = depth;
    }

    /// <summary>How many requests may be in flight.</summary>
    public int Depth => _tags.Length;

    /// <summary>How many requests were made and not yet completed.</summary>
    public int InFlight => Depth - _freeCount;

    /// <summary>Reads sectors into a buffer.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="buffer">Where to; its length is a multiple of the block size.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="ArgumentException">The length is not a multiple of 512, zero, or reaches beyond the end of the disk.</exception>
    public bool TryRead(ulong sector, in DriverBuffer buffer, ulong tag)
    {
        _driver.CheckInside(sector, buffer.Length);
        if (!TryBegin(BlockRequestType.In, sector, tag, out int slot))
        {
            return false;
        }

        _pieces[1] = Data(in buffer);
        return TryAdd(slot, readable: 1, pieces: 3);
    }

    /// <summary>Reads sectors into several buffers, in their order.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="buffers">Where to; at most <see cref="BlockDriver.SegmentsMax"/>.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="ArgumentException">
    /// A length is not a multiple of 512, there are none or too many, or they reach beyond the end of the disk.
    /// </exception>
    public bool TryRead(ulong sector, ReadOnlySpan<DriverBuffer> buffers, ulong tag)
    {
        _driver.CheckInside(sector, LengthOf(buffers));
        if (!TryBegin(BlockRequestType.In, sector, tag, out int slot))
        {
            return false;
        }

        Gather(buffers);
        return TryAdd(slot, readable: 1, buffers.Length + 2);
    }

    /// <summary>Writes sectors from a buffer.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="buffer">Where from; its length is a multiple of the block size. Not to be changed before the completion.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="ArgumentException">The length is not a multiple of 512, zero, or reaches beyond the end of the disk.</exception>
    public bool TryWrite(ulong sector, in DriverBuffer buffer, ulong tag)
    {
        _driver.CheckInside(sector, buffer.Length);
        if (!TryBegin(BlockRequestType.Out, sector, tag, out int slot))
        {
            return false;
        }

        _pieces[1] = Data(in buffer);
        return TryAdd(slot, readable: 2, pieces: 3);
    }

    /// <summary>Writes sectors from several buffers, in their order.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="buffers">Where from; at most <see cref="BlockDriver.SegmentsMax"/>.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="ArgumentException">
    /// A length is not a multiple of 512, there are none or too many, or they reach beyond the end of the disk.
    /// </exception>
    public bool TryWrite(ulong sector, ReadOnlySpan<DriverBuffer> buffers, ulong tag)
    {
        _driver.CheckInside(sector, LengthOf(buffers));
        if (!TryBegin(BlockRequestType.Out, sector, tag, out int slot))
        {
            return false;
        }

        Gather(buffers);
        return TryAdd(slot, buffers.Length + 1, buffers.Length + 2);
    }

    /// <summary>Makes everything stable that was written and completed before.</summary>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="NotSupportedException">The device has no flush: what it completes is stable.</exception>
    public bool TryFlush(ulong tag)
    {
        Require(BlockFeatures.Flush, "flush");
        return TryBegin(BlockRequestType.Flush, sector: 0, tag, out int slot) && TryAdd(slot, readable: 1, pieces: 2);
    }

    /// <summary>Tells the device that sectors are not needed any more; what they read as then is not said.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="sectorCount">How many.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="NotSupportedException">The device has no discard.</exception>
    /// <exception cref="ArgumentException">The range reaches beyond the end of the disk.</exception>
    public bool TryDiscard(ulong sector, uint sectorCount, ulong tag)
    {
        Require(BlockFeatures.Discard, "discard");
        return TryRange(BlockRequestType.Discard, new(sector, sectorCount, 0), tag);
    }

    /// <summary>Makes sectors read as zeros.</summary>
    /// <param name="sector">First sector of 512 bytes.</param>
    /// <param name="sectorCount">How many.</param>
    /// <param name="mayUnmap">Whether the device may free the storage behind them.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="NotSupportedException">The device has no write zeroes.</exception>
    /// <exception cref="ArgumentException">The range reaches beyond the end of the disk.</exception>
    public bool TryWriteZeroes(ulong sector, uint sectorCount, bool mayUnmap, ulong tag)
    {
        Require(BlockFeatures.WriteZeroes, "write zeroes");
        uint flags = mayUnmap ? BlockRangeHeader.Unmap : 0;
        return TryRange(BlockRequestType.WriteZeroes, new(sector, sectorCount, flags), tag);
    }

    /// <summary>Reads the identification.</summary>
    /// <param name="buffer">Where to: 20 bytes.</param>
    /// <param name="tag">What the completion is to be called.</param>
    /// <returns>False when the queue is full: complete something first.</returns>
    /// <exception cref="ArgumentException">The buffer has another length.</exception>
    public bool TryGetId(in DriverBuffer buffer, ulong tag)
    {
        if (buffer.Length != BlockDevice.SerialBytesMax)
        {
            throw new ArgumentException($"the identification has {BlockDevice.SerialBytesMax} bytes");
        }

        if (!TryBegin(BlockRequestType.GetId, sector: 0, tag, out int slot))
        {
            return false;
        }

        _pieces[1] = buffer.Range;
        return TryAdd(slot, readable: 1, pieces: 3);
    }

    /// <summary>Hands the requests made since the last time to the device, with one kick if it wants one.</summary>
    public void Submit() => _queue.Submit();

    /// <summary>Takes the requests that are done; does not wait.</summary>
    /// <param name="completions">Receives them, in the order in which the device answered.</param>
    /// <returns>How many; 0 when none is done now.</returns>
    /// <exception cref="DriverException">None is done, and none will be: the device broke the rules or has gone.</exception>
    public int Complete(Span<BlockCompletion> completions)
    {
        int count = 0;
        // Only the first look may throw: what was taken must be reported, whatever comes after it.
        DriverCompletion taken = default;
        bool isTaken = !completions.IsEmpty && _queue.TryTake(out taken);
        while (isTaken)
        {
            completions[count++] = End((int)taken.Tag);
            isTaken = count < completions.Length && _queue.TryTakeNow(out taken);
        }

        return count;
    }

    /// <summary>Takes the requests that are done, waiting for the first of them.</summary>
    /// <param name="completions">Receives them, in the order in which the device answered; has room for at least one.</param>
    /// <param name="timeout">How long to wait at most; Timeout.InfiniteTimeSpan for no limit.</param>
    /// <returns>How many; 0 when the time is over.</returns>
    /// <exception cref="DriverException">None is done, and none will be: the device broke the rules or has gone.</exception>
    public int Wait(Span<BlockCompletion> completions, TimeSpan timeout)
    {
        DriverCompletion taken = default;
        int count = 0;
        bool isTaken = !completions.IsEmpty && _queue.TryTake(timeout, out taken);
        while (isTaken)
        {
            completions[count++] = End((int)taken.Tag);
            isTaken = count < completions.Length && _queue.TryTakeNow(out taken);
        }

        return count;
    }

    private bool TryBegin(BlockRequestType type, ulong sector, ulong tag, out int slot)
    {
        if (_freeCount == 0)
        {
            slot = 0;
            return false;
        }

        slot = _free[_freeCount - 1];
        BlockRequestHeader header = new(type, sector);
        Wire.Write(_headers.Bytes[(slot * HeaderBytes)..], in header);
        _tags[slot] = tag;
        _pieces[0] = new(At(in _headers, slot * HeaderBytes), (uint)HeaderBytes);
        return true;
    }

    private static long LengthOf(ReadOnlySpan<DriverBuffer> buffers)
    {
        long length = 0;
        foreach (ref readonly DriverBuffer buffer in buffers)
        {
            length += buffer.Length;
        }

        return length;
    }

    private bool TryRange(BlockRequestType type, BlockRangeHeader range, ulong tag)
    {
        _driver.CheckInside(range.Sector, (long)(uint)range.SectorCount * BlockDevice.SectorBytes);
        if (!TryBegin(type, sector: 0, tag, out int slot))
        {
            return false;
        }

        Wire.Write(_ranges.Bytes[(slot * RangeBytes)..], in range);
        _pieces[1] = new(At(in _ranges, slot * RangeBytes), (uint)RangeBytes);
        return TryAdd(slot, readable: 2, pieces: 3);
    }

    private void Gather(ReadOnlySpan<DriverBuffer> buffers)
    {
        if (buffers.IsEmpty || buffers.Length > _driver.SegmentsMax)
        {
            throw new ArgumentException($"{buffers.Length} buffers: one request has 1 to {_driver.SegmentsMax}");
        }

        for (int index = 0; index < buffers.Length; index++)
        {
            _pieces[index + 1] = Data(in buffers[index]);
        }
    }

    /// <summary>Adds the request that was put together; its slot is taken only when the ring has room for it.</summary>
    private bool TryAdd(int slot, int readable, int pieces)
    {
        _statuses.Bytes[slot] = StatusUnwritten;
        _pieces[pieces - 1] = new(At(in _statuses, slot), 1);
        if (!_queue.TryAdd(_pieces.AsSpan(0, readable), _pieces.AsSpan(readable, pieces - readable), (ulong)slot))
        {
            return false;
        }

        _freeCount--;
        return true;
    }

    private BlockCompletion End(int slot)
    {
        _free[_freeCount++] = (ushort)slot;
        return new(_tags[slot], (BlockStatus)_statuses.Bytes[slot]);
    }

    private static GuestAddress At(in DriverBuffer table, int offset) => new(table.Address.Value + (uint)offset);

    private static GuestRange Data(in DriverBuffer buffer)
    {
        if (buffer.Length == 0 || buffer.Length % BlockDevice.SectorBytes != 0)
        {
            ThrowUneven(buffer.Length);
        }

        return buffer.Range;
    }

    private void Require(int feature, string name)
    {
        if (!_driver.Features.Contains(feature))
        {
            throw new NotSupportedException($"the device has no {name}");
        }
    }

    [DoesNotReturn]
    private static void ThrowUneven(int length) =>
        throw new ArgumentException(
            $"{length} bytes: a transfer consists of whole sectors of {BlockDevice.SectorBytes}"
        );
}
