using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The device side of a virtqueue: takes what the driver made available, gives back what was used.</summary>
/// <remarks>
/// Knows rings and memory only: no event descriptor, no thread, no device. Used by one thread at a time. The order of
/// a turn is: <see cref="TryPop"/> and <see cref="Complete"/> as often as wanted, one <see cref="Publish"/>, and before sleeping
/// <see cref="TryArmKicks"/>. Everything read from the ring is hostile: the first broken rule latches <see cref="Fault"/> and
/// from then on the queue is empty for ever. With IN_ORDER chains may still be completed in any order: a completion is held back until
/// those before it have come (VIRTIO 1.4 §2.7.9, §2.8.8).
/// </remarks>
public abstract partial class DeviceQueue
{
    /// <summary>
    /// How many descriptors an indirect table may hold at least, however small the queue: drivers in the field make chains
    /// longer than a small queue once they are indirect (decision 0004).
    /// </summary>
    private const int IndirectLengthFloor = 1024;

    /// <summary>How many chains are looked at before the first of them is taken.</summary>
    private const int AheadMax = 32;

    /// <summary>The longest piece that is looked at ahead, so that its length fits in <see cref="int"/>: 1 GiB.</summary>
    private const uint AheadBytesMax = 1u << 30;

    /// <summary>What is known of the chain with each head.</summary>
    private readonly Chain[] _chains;

    /// <summary>With IN_ORDER: the heads in the order in which they were taken, from _oldest on; else null.</summary>
    private readonly ushort[]? _order;

    /// <summary>The writable guest ranges of the chains in flight, while a dirty log is attached; else null.</summary>
    private readonly DirtyRanges? _dirty;

    /// <summary>Where the chains in flight are recorded for a successor of this process, if they are.</summary>
    private readonly InflightLog? _inflight;

    /// <summary>Where in _order the oldest chain stands, and how many stand there.</summary>
    private int _oldest;

    private int _orderCount;

    /// <summary>With IN_ORDER: chains given back for which no used entry was written yet; one will do for all of them.</summary>
    private Batch _batch;

    /// <summary>For how many chains used entries were written that the driver cannot see yet.</summary>
    private int _written;

    /// <summary>
    /// Whether the next publication calls even if there is nothing to publish: whoever ran the queue before may have ended between
    /// publishing and calling.
    /// </summary>
    private bool _mustCall;

    /// <summary>The pieces of an indirect table that does not lie in one; made when first needed.</summary>
    private SegmentList? _tablePieces;

    /// <summary>A private copy of such a table; pinned, grown when first needed.</summary>
    private byte[] _tableCopy = [];

    /// <summary>Whether a buffer of the chain being collected lies outside the driver's memory.</summary>
    private bool _isUnreachable;

    /// <summary>The memory where looking ahead needs nobody else: mapped, and no dirty log; else null.</summary>
    private readonly MappedMemory? _mapped;

    /// <summary>The region in which the last buffer was found: nearly all lie in the same.</summary>
    private MemoryRegion _near;

    /// <summary>The buffers of available chains of one descriptor that were looked at and not yet taken, from _aheadNext on.</summary>
    private readonly Segment[] _aheadPieces;

    /// <summary>What else is known of each of them.</summary>
    private readonly Ahead[] _ahead;

    private int _aheadNext;

    private int _aheadCount;

    private protected DeviceQueue(ushort size, QueueState state, in RingResources resources, InflightLog? inflight)
    {
        Size = size;
        Memory = resources.Memory;
        Log = resources.Log;
        HasIndirect = resources.Features.Contains(CoreFeature.IndirectDescriptors);
        HasEventIndex = resources.Features.Contains(CoreFeature.EventIndex);
        _chains = new Chain[size];
        _order = resources.Features.Contains(CoreFeature.InOrder) ? new ushort[size] : null;
        _dirty = Memory.DirtyLog is null ? null : new(Memory, size);
        _inflight = inflight;
        _mapped = _dirty is null ? Memory as MappedMemory : null;
        int ahead = _mapped is null ? 0 : Math.Min(AheadMax, (int)size);
        _aheadPieces = new Segment[ahead];
        _ahead = new Ahead[ahead];
        _mustCall = state != QueueState.Fresh;
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
    public bool IsTranslationPending { get; private protected set; }

    /// <summary>Where the queue stands. Complete only when nothing is in flight and everything is published.</summary>
    public abstract QueueState State { get; }

    /// <summary>Whether completions await <see cref="Publish"/>.</summary>
    public bool HasUnpublished => UnpublishedChains > 0 || _mustCall;

    /// <summary>How many completed chains await <see cref="Publish"/>.</summary>
    public int UnpublishedChains => _written + _batch.Chains;

    /// <summary>How many chains were taken since the queue was started.</summary>
    public ulong ChainsTaken { get; private set; }

    /// <summary>How many chains had a buffer outside the driver's memory and were therefore shown to the device as empty.</summary>
    public ulong UnreachableChains { get; private set; }

    /// <summary>
    /// How many bytes of a buffer to read the device looks at itself: they are fetched before the chain is taken. What nobody looks at
    /// stays in the cache of the driver's processor. A hint, from 1; what a cache line or two hold counts.
    /// </summary>
    public uint ReadBytesExpected { get; set; } = uint.MaxValue;

    /// <summary>
    /// Whether the device writes to every buffer that it takes, from its start: then buffers that are about to be taken may lose bytes
    /// before (VIRTIO 1.4 §2.7.8.2). Else they keep their values until the device writes.
    /// </summary>
    public bool IsOverwriting { get; set; }

    /// <summary>
    /// With <see cref="IsOverwriting"/>: how many bytes at the start of a buffer the device compares before it writes them, where they have a
    /// cache line for themselves (<see cref="Segment.IsStartApart"/>), 0 to 64. They keep their values until then.
    /// </summary>
    public int StartBytes { get; set; }

    /// <summary>The memory behind the ring and its buffers.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Where writes into the ring are recorded, if they are.</summary>
    private protected RingLog? Log { get; }

    /// <summary>Whether INDIRECT_DESC was negotiated.</summary>
    private protected bool HasIndirect { get; }

    /// <summary>Whether EVENT_IDX was negotiated.</summary>
    internal bool HasEventIndex { get; }

    /// <summary>The segments of the chain being collected.</summary>
    private protected SegmentList Segments { get; } = new();

    /// <summary>How many descriptors an indirect table may hold.</summary>
    private protected int IndirectLengthMax => Math.Max((int)Size, IndirectLengthFloor);

    /// <summary>Starts a queue on a ring in guest memory, in the layout that was negotiated.</summary>
    /// <param name="areas">The ring.</param>
    /// <param name="state">Where to begin: <see cref="QueueState.Fresh"/>, or where the queue stopped.</param>
    /// <param name="memory">The driver's memory; must outlive the queue.</param>
    /// <param name="features">The negotiated features: RING_PACKED, INDIRECT_DESC, EVENT_IDX, IN_ORDER are heeded.</param>
    /// <param name="inflight">
    /// Where to record the chains in flight; null records nothing. What a predecessor left there is taken first, in the order
    /// in which the predecessor took it, and <paramref name="state"/> is then found anew.
    /// </param>
    /// <param name="log">Where to record writes into the ring; null records nothing.</param>
    /// <exception cref="RingException">
    /// Size, alignment or place of an area is not what VIRTIO 1.4 §2.7, §2.8 asks, the state is not one of this ring, or the
    /// in-flight region is not one for it.
    /// </exception>
    public static DeviceQueue Create(
        in QueueAreas areas,
        QueueState state,
        GuestMemory memory,
        FeatureSet features,
        InflightRegion? inflight = null,
        RingLog? log = null
    )
    {
        RingResources resources = new(memory, features, inflight, log);
        bool isPacked = features.Contains(CoreFeature.RingPacked);
        RingLocator.CheckSize(areas.Size, isPacked);
        var descriptors = RingArea.Descriptors(in areas, isPacked ? MemoryAccess.ReadWrite : MemoryAccess.Read);
        RingArea driver = isPacked
            ? RingArea.DriverEvents(in areas, MemoryAccess.Read)
            : RingArea.Available(in areas, MemoryAccess.Read);
        RingArea device = isPacked ? RingArea.DeviceEvents(in areas) : RingArea.Used(in areas);
        if (
            RingLocator.TryLocate(memory, in descriptors, out ContiguousArea descriptorArea)
            && RingLocator.TryLocate(memory, in driver, out ContiguousArea driverArea)
            && RingLocator.TryLocate(memory, in device, out ContiguousArea deviceArea)
        )
        {
            return CreateOn<ContiguousArea>(
                areas.Size,
                state,
                in resources,
                new(descriptorArea, driverArea, deviceArea)
            );
        }

        return CreateOn<PagedArea>(
            areas.Size,
            state,
            in resources,
            new(
                RingLocator.LocatePages(memory, in descriptors),
                RingLocator.LocatePages(memory, in driver),
                RingLocator.LocatePages(memory, in device)
            )
        );
    }

    /// <summary>Takes the next available chain.</summary>
    /// <param name="chain">
    /// The chain, valid until the next call. One with a buffer outside the driver's memory is shown without any bytes, so that the
    /// device refuses this request alone (decision 0010).
    /// </param>
    /// <returns>False when none is available, a translation is pending, or the queue has a fault.</returns>
    public abstract bool TryPop(out DescriptorChain chain);

    /// <summary>Gives a chain back to the driver; seen by it after <see cref="Publish"/>.</summary>
    /// <param name="head">The chain's <see cref="DescriptorChain.Head"/>; must be in flight.</param>
    /// <param name="writtenBytes">
    /// How many bytes from the start of the writable part were written; never more than were, and never more than it has
    /// (VIRTIO 1.4 §2.7.8.2).
    /// </param>
    public void Complete(ushort head, uint writtenBytes)
    {
        Invariant.That(head < _chains.Length);
        ref Chain chain = ref _chains[head];
        Invariant.That(chain.Stage == ChainStage.Held);
        Invariant.That(writtenBytes <= chain.WritableBytes);
        InFlight--;
        _dirty?.Mark(head);
        if (_order is null)
        {
            chain.Stage = ChainStage.Free;
            WriteUsed(head, writtenBytes, chain.Descriptors, 1);
            _written++;
            _inflight?.Retire(head);
        }
        else
        {
            chain.Stage = ChainStage.Completed;
            chain.WrittenBytes = writtenBytes;
            GiveBackInOrder(_order);
        }
    }

    /// <summary>Whether a chain can be left to a successor: it is recorded as in flight, and none of the others waits for it.</summary>
    public bool CanAbandon => _inflight is not null && _order is null;

    /// <summary>Leaves a chain to a successor, which finds it in the record of chains in flight. The queue is being stopped.</summary>
    /// <param name="head">The chain's head; must be in flight, and nothing may write to its buffers any more.</param>
    public void Abandon(ushort head)
    {
        Invariant.That(CanAbandon);
        Invariant.That(head < _chains.Length);
        ref Chain chain = ref _chains[head];
        Invariant.That(chain.Stage == ChainStage.Held);
        InFlight--;
        _dirty?.Mark(head);
        chain.Stage = ChainStage.Free;
    }

    /// <summary>Makes all completions visible to the driver.</summary>
    /// <returns>True when the driver asked to be called for them.</returns>
    public bool Publish()
    {
        if (_batch.Chains > 0)
        {
            GiveBack(_batch);
            _batch = default;
        }

        bool mustCall = _mustCall;
        _mustCall = false;
        if (_written == 0)
        {
            return mustCall;
        }

        _written = 0;
        return PublishWritten() || mustCall;
    }

    /// <summary>Tells the driver that kicks are not needed now; a hint that costs one store at most.</summary>
    public abstract void SuppressKicks();

    /// <summary>Asks for a kick at the next available chain, and looks once more.</summary>
    /// <returns>True when the ring is empty and the next chain will be kicked; false when a chain is there already.</returns>
    public abstract bool TryArmKicks();

    /// <summary>Writes one used entry, for one chain or a batch; the driver must not see it before it is published.</summary>
    /// <param name="head">Head of the last chain.</param>
    /// <param name="writtenBytes">How many bytes were written to the last chain.</param>
    /// <param name="descriptors">How many descriptors of the ring all the chains take.</param>
    /// <param name="chains">How many chains there are.</param>
    private protected abstract void WriteUsed(ushort head, uint writtenBytes, int descriptors, int chains);

    /// <summary>Makes what was written visible.</summary>
    /// <returns>True when the driver asked to be called for it.</returns>
    private protected abstract bool PublishWritten();

    /// <summary>The next publication calls the driver, because it may wait for something that a predecessor published.</summary>
    private protected void RequireCall() => _mustCall = true;

    /// <summary>Latches a fault; only the first one counts.</summary>
    /// <returns>False, for the caller to return.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
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
        IsTranslationPending = false;
        _isUnreachable = false;
        Segments.Clear();
        _dirty?.Begin();
    }

    /// <summary>Translates one buffer of the chain being collected.</summary>
    /// <remarks>
    /// When a translation is pending or refused, collecting goes on all the same: so all the chain needs is asked for at once, and
    /// the rest of the chain is checked. What became of it is decided at the end.
    /// </remarks>
    private protected void Translate(GuestAddress address, uint lengthBytes, bool isWritable)
    {
        MemoryAccess access = isWritable ? MemoryAccess.Write : MemoryAccess.Read;
        Translation outcome = Memory.Translate(address, lengthBytes, access, Segments);
        if (outcome == Translation.Done && isWritable && _dirty is not null)
        {
            outcome = _dirty.Add(address, lengthBytes);
        }

        if (outcome != Translation.Done)
        {
            Explain(outcome);
        }
    }

    /// <summary>Shows the chain that was collected and held.</summary>
    private protected DescriptorChain Present(ushort head, int readableCount, uint readableBytes, uint writableBytes)
    {
        if (_isUnreachable)
        {
            UnreachableChains++;
            return new(head, [], 0, 0, 0);
        }

        return new(head, Segments.Items, readableCount, readableBytes, writableBytes);
    }

    /// <summary>Finds an indirect table, copying it when it does not lie in one piece.</summary>
    /// <returns>The table, or an empty segment with a fault latched or <see cref="IsTranslationPending"/> set.</returns>
    private protected Segment FindTable(GuestAddress address, uint lengthBytes)
    {
        return
            Memory.TranslateContiguous(address, lengthBytes, MemoryAccess.Read, out Segment table) == Translation.Done
            ? table
            : CopyTable(address, lengthBytes);
    }

    /// <summary>Checks the length of an indirect table and how it came about.</summary>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <returns>False with a fault latched.</returns>
    private protected bool TryCheckTable(uint lengthBytes)
    {
        // Descriptors are 16 bytes long in both layouts.
        uint count = lengthBytes / 16;
        if (!HasIndirect)
        {
            return Break(QueueFault.IndirectNotNegotiated);
        }

        if (count == 0 || lengthBytes % 16 != 0)
        {
            return Break(QueueFault.IndirectLength);
        }

        return count <= (uint)IndirectLengthMax || Break(QueueFault.ChainTooLong);
    }

    /// <summary>Marks a head as taken, its chain having been collected.</summary>
    /// <param name="head">The head, below the queue size.</param>
    /// <param name="writableBytes">Length of the writable part.</param>
    /// <param name="descriptors">How many descriptors of the ring the chain takes.</param>
    /// <returns>False with a fault latched when it is in flight already.</returns>
    private protected bool TryHold(ushort head, uint writableBytes, int descriptors)
    {
        ref Chain chain = ref _chains[head];
        if (chain.Stage != ChainStage.Free || _inflight is not null && _inflight.IsRetired(head))
        {
            return Break(QueueFault.HeadInFlight);
        }

        // A head that the driver cannot know to be used counts too; this bounds what is kept between publications.
        if (InFlight + UnpublishedChains >= Size)
        {
            return Break(QueueFault.IndexJump);
        }

        chain.Stage = ChainStage.Held;
        chain.WritableBytes = writableBytes;
        chain.Descriptors = (ushort)descriptors;
        InFlight++;
        ChainsTaken++;
        _dirty?.Keep(head);
        if (_order is not null)
        {
            int position = _oldest + _orderCount++;
            _order[position < _order.Length ? position : position - _order.Length] = head;
        }

        return true;
    }

    private static DeviceQueue CreateOn<TArea>(
        ushort size,
        QueueState state,
        in RingResources resources,
        RingAreas<TArea> areas
    )
        where TArea : struct, IRingArea =>
        resources.Features.Contains(CoreFeature.RingPacked)
            ? new PackedDeviceQueue<TArea>(size, state, in resources, in areas)
            : new SplitDeviceQueue<TArea>(size, state, in resources, in areas);

    /// <summary>Gives back the oldest chains that are completed: those that nothing older holds up.</summary>
    private void GiveBackInOrder(ushort[] order)
    {
        while (_orderCount > 0)
        {
            ushort head = order[_oldest];
            ref Chain chain = ref _chains[head];
            if (chain.Stage != ChainStage.Completed)
            {
                return;
            }

            chain.Stage = ChainStage.Free;
            _oldest = _oldest + 1 < order.Length ? _oldest + 1 : 0;
            _orderCount--;
            _inflight?.Retire(head);
            AddToBatch(head, chain.WrittenBytes, chain.WritableBytes, chain.Descriptors);
        }
    }

    private void AddToBatch(ushort head, uint writtenBytes, uint writableBytes, int descriptors)
    {
        _batch = new(head, writtenBytes, _batch.Descriptors + descriptors, _batch.Chains + 1);
        // Chains for which no entry is written count as used completely, so one that was not needs an entry of its own.
        if (writtenBytes != writableBytes)
        {
            GiveBack(_batch);
            _batch = default;
        }
    }

    private void GiveBack(in Batch batch)
    {
        WriteUsed(batch.Head, batch.WrittenBytes, batch.Descriptors, batch.Chains);
        _written += batch.Chains;
    }

    /// <summary>Notes why a translation did not come about.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Explain(Translation outcome)
    {
        IsTranslationPending |= outcome == Translation.Pending;
        _isUnreachable |= outcome == Translation.Refused;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Segment CopyTable(GuestAddress address, uint lengthBytes)
    {
        _tablePieces ??= new();
        _tablePieces.Clear();
        Translation outcome = Memory.Translate(address, lengthBytes, MemoryAccess.Read, _tablePieces);
        if (outcome != Translation.Done)
        {
            IsTranslationPending = outcome == Translation.Pending;
            _ = IsTranslationPending || Break(QueueFault.BadAddress);
            return default;
        }

        if (_tableCopy.Length < lengthBytes)
        {
            _tableCopy = GC.AllocateUninitializedArray<byte>((int)lengthBytes, pinned: true);
        }

        Span<byte> rest = _tableCopy;
        foreach (Segment piece in _tablePieces.Items)
        {
            piece.Bytes.CopyTo(rest);
            rest = rest[piece.Length..];
        }

        return Segment.OverPinned(_tableCopy.AsSpan(0, (int)lengthBytes));
    }

    /// <summary>What one used entry stands for.</summary>
    /// <param name="Head">Head of the last chain.</param>
    /// <param name="WrittenBytes">How many bytes were written to the last chain.</param>
    /// <param name="Descriptors">How many descriptors of the ring all the chains take.</param>
    /// <param name="Chains">How many chains there are.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Batch(ushort Head, uint WrittenBytes, int Descriptors, int Chains);

    /// <summary>A chain of one descriptor that was looked at.</summary>
    /// <param name="Head">Its head.</param>
    /// <param name="IsWritable">Whether the device writes to its buffer.</param>
    [StructLayout(LayoutKind.Auto)]
    private protected readonly record struct Ahead(ushort Head, bool IsWritable);

    /// <summary>How far a chain has come.</summary>
    private enum ChainStage : byte
    {
        /// <summary>There is none with this head.</summary>
        Free,

        /// <summary>The device works on it.</summary>
        Held,

        /// <summary>With IN_ORDER: the device is done, and an older chain is not.</summary>
        Completed,
    }

    /// <summary>The chain that has a head.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Chain
    {
        /// <summary>Length of its writable part.</summary>
        public uint WritableBytes;

        /// <summary>With IN_ORDER, once completed: how much of that was written.</summary>
        public uint WrittenBytes;

        /// <summary>How many descriptors of the ring it takes.</summary>
        public ushort Descriptors;

        public ChainStage Stage;
    }
}
