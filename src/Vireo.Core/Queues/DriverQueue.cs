using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The driver side of a virtqueue: makes buffers available to a device and takes them back when they were used.</summary>
/// <remarks>
/// For user-space drivers, tests, fuzzers and benchmarks. Knows rings and memory only: no event descriptor, no thread.
/// Used by one thread at a time. The order of a turn is: <see cref="TryAdd"/> as often as wanted, one <see cref="Publish"/> and a
/// kick if it says so; <see cref="TryTake"/> until it returns false, and before sleeping <see cref="TryArmCalls"/>. The device is not
/// trusted: what it could overwrite is never read back, and the first rule it breaks latches <see cref="Fault"/>; from then on
/// nothing is added and nothing is taken. Nothing is allocated after the queue was made.
/// </remarks>
public abstract class DriverQueue
{
    /// <summary>The buffer with each id: with split rings the descriptor at which it begins.</summary>
    private readonly Buffer[] _buffers;

    /// <summary>With IN_ORDER: the ids of the buffers in flight in the order in which they were added; else null.</summary>
    private readonly ushort[]? _order;

    /// <summary>Where in _order the oldest buffer stands, and where the next one will.</summary>
    private int _oldest;

    private int _newest;

    /// <summary>How many buffers were ever added; numbers them.</summary>
    private ulong _added;

    /// <summary>How many of these the device can know of.</summary>
    private ulong _published;

    /// <summary>How many buffers were ever taken back.</summary>
    private ulong _taken;

    /// <summary>With IN_ORDER: how many buffers will have been taken at the end of the batch that is being taken.</summary>
    private ulong _batchEnd;

    /// <summary>With IN_ORDER: how many bytes were written to the last buffer of the batch.</summary>
    private uint _batchWrittenBytes;

    private protected DriverQueue(ushort size, FeatureSet features)
    {
        Size = size;
        FreeDescriptors = size;
        HasEventIndex = features.Contains(CoreFeature.EventIndex);
        _buffers = new Buffer[size];
        _order = features.Contains(CoreFeature.InOrder) ? new ushort[size] : null;
    }

    /// <summary>Queue size in descriptors.</summary>
    public ushort Size { get; }

    /// <summary>How the device broke the rules, or <see cref="UsedFault.None"/>; never goes back to None.</summary>
    public UsedFault Fault { get; private set; }

    /// <summary>How many descriptors are not in use.</summary>
    public int FreeDescriptors { get; private set; }

    /// <summary>How many buffers were added and not yet taken back.</summary>
    public int InFlight => (int)(_added - _taken);

    /// <summary>
    /// Whether nothing is made available now, as while the device is suspended (VIRTIO 1.4 §3.4.1): what is added meanwhile goes with the
    /// first <see cref="Publish"/> after that. Used buffers can be taken as ever.
    /// </summary>
    public bool IsHeld { get; set; }

    /// <summary>Whether EVENT_IDX was negotiated.</summary>
    private protected bool HasEventIndex { get; }

    /// <summary>Whether IN_ORDER was negotiated.</summary>
    private protected bool IsInOrder => _order is not null;

    /// <summary>Whether the device can know of a buffer that was not taken back.</summary>
    private protected bool IsAwaiting => _taken < _published;

    /// <summary>How many descriptors an indirect table may have; 0 when none are made.</summary>
    private protected int TableLength { get; init; }

    /// <summary>Sets up an empty queue on a ring in memory, in the layout that was negotiated.</summary>
    /// <param name="areas">The ring; its memory is cleared here, so no device may use it yet.</param>
    /// <param name="memory">The memory that driver and device share; must outlive the queue.</param>
    /// <param name="features">The negotiated features: RING_PACKED, INDIRECT_DESC, EVENT_IDX, IN_ORDER are heeded.</param>
    /// <param name="tables">
    /// Where indirect tables are kept; null makes none. Without INDIRECT_DESC they are not used (VIRTIO 1.4 §2.7.5.3.1).
    /// </param>
    /// <exception cref="RingException">
    /// Size, alignment or place of an area is not what VIRTIO 1.4 §2.7, §2.8 asks, or the tables do not lie in memory.
    /// </exception>
    public static DriverQueue Create(
        in QueueAreas areas,
        GuestMemory memory,
        FeatureSet features,
        IndirectTables? tables = null
    )
    {
        bool isPacked = features.Contains(CoreFeature.RingPacked);
        RingLocator.CheckSize(areas.Size, isPacked);
        IndirectTables? used = features.Contains(CoreFeature.IndirectDescriptors) ? tables : null;
        return isPacked
            ? new PackedDriverQueue(in areas, memory, features, used)
            : new SplitDriverQueue(in areas, memory, features, used);
    }

    /// <summary>Adds a buffer; the device sees it after <see cref="Publish"/>.</summary>
    /// <param name="readable">The pieces that the device reads, in order.</param>
    /// <param name="writable">The pieces that the device writes, in order; they follow the readable ones.</param>
    /// <param name="tag">What to call the buffer when it comes back; any number, also the same one twice.</param>
    /// <returns>False when there are too few free descriptors now, or the queue has a fault; nothing was added then.</returns>
    /// <exception cref="ArgumentException">
    /// There is no piece at all, or more than ever fit into the queue, or they add up to 2^32 bytes or more (VIRTIO 1.4 §2.7.5.2).
    /// </exception>
    public bool TryAdd(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable, ulong tag)
    {
        int pieces = readable.Length + writable.Length;
        bool isIndirect = pieces > 1 && pieces <= TableLength;
        int needed = isIndirect ? 1 : pieces;
        if (needed == 0 || needed > FreeDescriptors || Fault != UsedFault.None)
        {
            return RefuseToAdd(pieces);
        }

        uint writableBytes = CountBytes(readable, writable);
        ushort id = Write(readable, writable, isIndirect, out ushort last);
        _buffers[id] = new(tag, _added, writableBytes, (ushort)needed, last);
        _added++;
        FreeDescriptors -= needed;
        if (_order is not null)
        {
            _order[_newest] = id;
            _newest = _newest + 1 < _order.Length ? _newest + 1 : 0;
        }

        return true;
    }

    /// <summary>Makes all added buffers visible to the device.</summary>
    /// <returns>True when the device asked to be kicked for them.</returns>
    public bool Publish()
    {
        if (_published == _added || IsHeld || Fault != UsedFault.None)
        {
            return false;
        }

        _published = _added;
        return PublishAdded();
    }

    /// <summary>What a kick carries where NOTIFICATION_DATA was negotiated (VIRTIO 1.4 §2.9).</summary>
    /// <param name="queue">The queue's index, or the configuration data the device gave for it (NOTIF_CONFIG_DATA).</param>
    public abstract NotificationData NotificationData(ushort queue);

    /// <summary>Takes back the next buffer that the device has used.</summary>
    /// <param name="completion">Which it is.</param>
    /// <returns>False when there is none, or the queue has a fault.</returns>
    public bool TryTake(out DriverCompletion completion)
    {
        completion = default;
        if (_order is not null)
        {
            return TryTakeInOrder(_order, out completion);
        }

        if (Fault != UsedFault.None || !TryReadUsed(out uint id, out uint writtenBytes, out _))
        {
            return false;
        }

        return IsWithDevice(id) ? TryForget((ushort)id, writtenBytes, out completion) : Break(UsedFault.UnknownBuffer);
    }

    /// <summary>Tells the device that calls are not needed now; a hint that costs one store at most.</summary>
    public abstract void SuppressCalls();

    /// <summary>Asks for a call at the next used buffer, and looks once more.</summary>
    /// <returns>True when there is nothing to take and the next used buffer will be called; false when there is one already.</returns>
    public bool TryArmCalls() => Fault != UsedFault.None || (ArmCalls() && _taken >= _batchEnd);

    /// <summary>Writes the descriptors of a buffer.</summary>
    /// <param name="readable">The pieces that the device reads.</param>
    /// <param name="writable">The pieces that the device writes.</param>
    /// <param name="isIndirect">Whether they go into a table of their own; else there are free descriptors for all of them.</param>
    /// <param name="last">What the layout wants to know again when the buffer comes back.</param>
    /// <returns>The buffer's id, below the queue size and not in use.</returns>
    private protected abstract ushort Write(
        ReadOnlySpan<GuestRange> readable,
        ReadOnlySpan<GuestRange> writable,
        bool isIndirect,
        out ushort last
    );

    /// <summary>Makes what was written visible.</summary>
    /// <returns>True when the device asked to be kicked for it.</returns>
    private protected abstract bool PublishAdded();

    /// <summary>Reads the used entry at which the queue stands.</summary>
    /// <param name="id">The buffer it names; may be anything.</param>
    /// <param name="writtenBytes">What it says was written; may be anything.</param>
    /// <param name="buffersMax">How many buffers it may stand for at most.</param>
    /// <returns>False when there is none, or with a fault latched.</returns>
    private protected abstract bool TryReadUsed(out uint id, out uint writtenBytes, out int buffersMax);

    /// <summary>A buffer is taken back: frees its descriptors and moves past it.</summary>
    /// <param name="id">The buffer's id.</param>
    /// <param name="last">What <see cref="Write"/> wanted to know again.</param>
    /// <param name="descriptors">How many descriptors it took.</param>
    private protected abstract void Free(ushort id, ushort last, int descriptors);

    /// <summary>Asks for a call.</summary>
    /// <returns>Whether there is no used entry to read.</returns>
    private protected abstract bool ArmCalls();

    /// <summary>Latches a fault; only the first one counts.</summary>
    /// <returns>False, for the caller to return.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private protected bool Break(UsedFault fault)
    {
        if (Fault == UsedFault.None)
        {
            Fault = fault;
        }

        return false;
    }

    /// <summary>Takes the next buffer of a batch, of which the device has named the last one only (VIRTIO 1.4 §2.7.9, §2.8.8).</summary>
    private bool TryTakeInOrder(ushort[] order, out DriverCompletion completion)
    {
        completion = default;
        if (Fault != UsedFault.None || (_taken == _batchEnd && !TryBeginBatch()))
        {
            return false;
        }

        ushort id = order[_oldest];
        // Buffers that the device passed over count as used completely.
        uint writtenBytes = _taken + 1 == _batchEnd ? _batchWrittenBytes : _buffers[id].WritableBytes;
        if (!TryForget(id, writtenBytes, out completion))
        {
            return false;
        }

        _oldest = _oldest + 1 < order.Length ? _oldest + 1 : 0;
        return true;
    }

    private bool TryBeginBatch()
    {
        if (!TryReadUsed(out uint id, out uint writtenBytes, out int buffersMax))
        {
            return false;
        }

        if (!IsWithDevice(id))
        {
            return Break(UsedFault.UnknownBuffer);
        }

        ulong end = _buffers[id].Number + 1;
        if (end - _taken > (ulong)buffersMax)
        {
            return Break(UsedFault.OutOfOrder);
        }

        _batchEnd = end;
        _batchWrittenBytes = writtenBytes;
        return true;
    }

    /// <summary>Whether there is a buffer with an id, and the device has been told of it.</summary>
    private bool IsWithDevice(uint id) =>
        id < (uint)_buffers.Length && _buffers[id].Descriptors != 0 && _buffers[id].Number < _published;

    private bool TryForget(ushort id, uint writtenBytes, out DriverCompletion completion)
    {
        completion = default;
        ref Buffer buffer = ref _buffers[id];
        if (writtenBytes > buffer.WritableBytes)
        {
            return Break(UsedFault.LengthBeyondBuffer);
        }

        completion = new(buffer.Tag, writtenBytes);
        int descriptors = buffer.Descriptors;
        Free(id, buffer.Last, descriptors);
        FreeDescriptors += descriptors;
        buffer.Descriptors = 0;
        _taken++;
        return true;
    }

    /// <summary>Adds up the pieces of a buffer.</summary>
    /// <returns>Bytes in the writable pieces.</returns>
    private static uint CountBytes(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        ulong writableBytes = 0;
        foreach (ref readonly GuestRange range in writable)
        {
            writableBytes += range.LengthBytes;
        }

        ulong totalBytes = writableBytes;
        foreach (ref readonly GuestRange range in readable)
        {
            totalBytes += range.LengthBytes;
        }

        if (totalBytes > uint.MaxValue)
        {
            ThrowTooLarge(totalBytes);
        }

        return (uint)writableBytes;
    }

    /// <summary>Says why a buffer was not added: for now, or because it never can be.</summary>
    /// <param name="pieces">How many pieces it has.</param>
    /// <returns>False, for the caller to return.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool RefuseToAdd(int pieces)
    {
        if (pieces == 0)
        {
            throw new ArgumentException("a buffer has at least one piece");
        }

        if (pieces > Size)
        {
            throw new ArgumentException($"a buffer of {pieces} pieces never fits into a queue of {Size} descriptors");
        }

        return false;
    }

    [DoesNotReturn]
    private static void ThrowTooLarge(ulong bytes) =>
        throw new ArgumentException(
            $"a buffer of {bytes} bytes: the pieces of a buffer add up to less than 2^32 bytes"
        );

    /// <summary>A buffer in flight.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Buffer
    {
        public Buffer(ulong tag, ulong number, uint writableBytes, ushort descriptors, ushort last)
        {
            Tag = tag;
            Number = number;
            WritableBytes = writableBytes;
            Descriptors = descriptors;
            Last = last;
        }

        /// <summary>The driver's name for it.</summary>
        public ulong Tag { get; }

        /// <summary>How many buffers were added before it.</summary>
        public ulong Number { get; }

        /// <summary>Length of the part that the device may write.</summary>
        public uint WritableBytes { get; }

        /// <summary>How many descriptors of the ring it takes; 0 when there is no buffer.</summary>
        public ushort Descriptors { get; set; }

        /// <summary>What the layout wants to know again.</summary>
        public ushort Last { get; }
    }
}
