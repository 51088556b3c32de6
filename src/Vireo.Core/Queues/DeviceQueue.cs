using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The device side of a virtqueue: takes what the driver made available, gives back what was used.</summary>
/// <remarks>
/// Knows rings and memory only: no event descriptor, no thread, no device. Used by one thread at a time. The order of
/// a turn is: <see cref="TryPop"/> and <see cref="Complete"/> as often as wanted, one <see cref="Publish"/>, and before sleeping
/// <see cref="TryArmKicks"/>. Everything read from the ring is hostile: the first broken rule latches <see cref="Fault"/> and
/// from then on the queue is empty for ever.
/// </remarks>
public abstract class DeviceQueue
{
    /// <summary>
    /// How many descriptors an indirect table may hold at least, however small the queue: drivers in the field make chains
    /// longer than a small queue once they are indirect (decision 0004).
    /// </summary>
    private const int IndirectLengthFloor = 1024;

    /// <summary>Which heads the device holds: a driver must not make one available twice.</summary>
    private readonly bool[] _held;

    /// <summary>The writable guest ranges of each chain in flight, kept only while a dirty log is attached.</summary>
    private readonly GuestRange[]?[]? _rangesByHead;

    /// <summary>The writable guest ranges of the chain being collected.</summary>
    private readonly List<GuestRange> _ranges = [];

    /// <summary>A private copy of an indirect table that does not lie in one piece; pinned, grown when first needed.</summary>
    private byte[] _tableCopy = [];

    private protected DeviceQueue(ushort size, GuestMemory memory)
    {
        Size = size;
        Memory = memory;
        _held = new bool[size];
        _rangesByHead = memory.DirtyLog is null ? null : new GuestRange[]?[size];
        Segments = new();
    }

    /// <summary>Queue size in descriptors.</summary>
    public ushort Size { get; }

    /// <summary>How the driver broke the rules, or <see cref="QueueFault.None"/>; never goes back to None.</summary>
    public QueueFault Fault { get; private set; }

    /// <summary>How many chains were taken and not yet completed.</summary>
    public int InFlight { get; private set; }

    /// <summary>
    /// Whether the last <see cref="TryPop"/> found a chain whose addresses await an I/O translation. The chain stays in the ring;
    /// whoever receives the translation lets the queue look again.
    /// </summary>
    public bool IsTranslationPending { get; protected set; }

    /// <summary>Where the queue stands. Complete only when nothing is in flight and everything is published.</summary>
    public abstract QueueState State { get; }

    /// <summary>Whether completions await <see cref="Publish"/>.</summary>
    public abstract bool HasUnpublished { get; }

    /// <summary>The memory behind the ring and its buffers.</summary>
    protected GuestMemory Memory { get; }

    /// <summary>The segments of the chain being collected.</summary>
    private protected SegmentList Segments { get; }

    /// <summary>How many descriptors an indirect table may hold.</summary>
    private protected int IndirectLengthMax => Math.Max((int)Size, IndirectLengthFloor);

    /// <summary>Starts a queue on a ring in guest memory, in the layout that was negotiated.</summary>
    /// <param name="areas">The ring.</param>
    /// <param name="state">Where to begin: <see cref="QueueState.Fresh"/>, or where the queue stopped.</param>
    /// <param name="memory">The driver's memory; must outlive the queue.</param>
    /// <param name="features">The negotiated features: RING_PACKED, INDIRECT_DESC, EVENT_IDX, IN_ORDER are heeded.</param>
    /// <exception cref="RingException">Size, alignment or place of an area is not what VIRTIO 1.4 §2.7, §2.8 asks.</exception>
    public static DeviceQueue Create(in QueueAreas areas, QueueState state, GuestMemory memory, FeatureSet features) =>
        new SplitDeviceQueue(in areas, state, memory, features);

    /// <summary>Takes the next available chain.</summary>
    /// <param name="chain">The chain, valid until the next call.</param>
    /// <returns>False when none is available, a translation is pending, or the queue has a fault.</returns>
    public abstract bool TryPop(out DescriptorChain chain);

    /// <summary>Gives a chain back to the driver; seen by it after <see cref="Publish"/>.</summary>
    /// <param name="head">The chain's <see cref="DescriptorChain.Head"/>; must be in flight.</param>
    /// <param name="writtenBytes">
    /// How many bytes from the start of the writable part were written; never more than were (VIRTIO 1.4 §2.7.8.2).
    /// </param>
    public abstract void Complete(ushort head, uint writtenBytes);

    /// <summary>Makes all completions visible to the driver.</summary>
    /// <returns>True when the driver asked to be called for them.</returns>
    public abstract bool Publish();

    /// <summary>Tells the driver that kicks are not needed now; a hint that costs one store at most.</summary>
    public abstract void SuppressKicks();

    /// <summary>Asks for a kick at the next available chain, and looks once more.</summary>
    /// <returns>True when the ring is empty and the next chain will be kicked; false when a chain is there already.</returns>
    public abstract bool TryArmKicks();

    /// <summary>Latches a fault; only the first one counts.</summary>
    /// <returns>False, for the caller to return.</returns>
    private protected bool Break(QueueFault fault)
    {
        if (Fault == QueueFault.None)
        {
            Fault = fault;
        }

        return false;
    }

    /// <summary>Forgets the segments of the last chain.</summary>
    private protected void BeginCollecting()
    {
        Segments.Clear();
        _ranges.Clear();
    }

    /// <summary>Translates one buffer of the chain being collected.</summary>
    /// <returns>False with a fault latched, or with <see cref="IsTranslationPending"/> set.</returns>
    private protected bool TryTranslate(GuestAddress address, uint lengthBytes, bool isWritable)
    {
        MemoryAccess access = isWritable ? MemoryAccess.Write : MemoryAccess.Read;
        Translation outcome = Memory.Translate(address, lengthBytes, access, Segments);
        if (outcome != Translation.Done)
        {
            return Refuse(outcome);
        }

        if (isWritable && _rangesByHead is not null)
        {
            _ranges.Add(new(address, lengthBytes));
        }

        return true;
    }

    /// <summary>Finds an indirect table, copying it when it does not lie in one piece.</summary>
    /// <returns>The table, or an empty segment with a fault latched or <see cref="IsTranslationPending"/> set.</returns>
    private protected Segment FindTable(GuestAddress address, uint lengthBytes)
    {
        if (Memory.TranslateContiguous(address, lengthBytes, MemoryAccess.Read, out Segment table) == Translation.Done)
        {
            return table;
        }

        SegmentList pieces = new();
        Translation outcome = Memory.Translate(address, lengthBytes, MemoryAccess.Read, pieces);
        if (outcome != Translation.Done)
        {
            Refuse(outcome);
            return default;
        }

        if (_tableCopy.Length < lengthBytes)
        {
            _tableCopy = GC.AllocateUninitializedArray<byte>((int)lengthBytes, pinned: true);
        }

        Span<byte> rest = _tableCopy;
        foreach (Segment piece in pieces.Items)
        {
            piece.Bytes.CopyTo(rest);
            rest = rest[piece.Length..];
        }

        return Segment.OverPinned(_tableCopy.AsSpan(0, (int)lengthBytes));
    }

    private bool Refuse(Translation outcome)
    {
        if (outcome == Translation.Pending)
        {
            IsTranslationPending = true;
            return false;
        }

        return Break(QueueFault.BadAddress);
    }

    /// <summary>Marks a head as taken.</summary>
    /// <returns>False with a fault latched when it is in flight already.</returns>
    private protected bool TryHold(ushort head)
    {
        if (_held[head])
        {
            return Break(QueueFault.HeadInFlight);
        }

        _held[head] = true;
        InFlight++;
        if (_rangesByHead is not null)
        {
            _rangesByHead[head] = _ranges.ToArray();
        }

        return true;
    }

    /// <summary>Marks a head as given back, and what was written to it as dirty.</summary>
    private protected void Release(ushort head, uint writtenBytes)
    {
        Invariant.That(head < Size && _held[head]);
        _held[head] = false;
        InFlight--;
        if (_rangesByHead is not null)
        {
            MarkDirty(_rangesByHead[head], writtenBytes);
            _rangesByHead[head] = null;
        }
    }

    private void MarkDirty(GuestRange[]? ranges, uint writtenBytes)
    {
        foreach (GuestRange range in ranges.AsSpan())
        {
            uint bytes = Math.Min(range.LengthBytes, writtenBytes);
            Memory.MarkDirty(range.Address, bytes);
            writtenBytes -= bytes;
        }
    }
}
