using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The device side of a split virtqueue (VIRTIO 1.4 §2.7).</summary>
/// <typeparam name="TArea">How the areas of the ring lie in this process.</typeparam>
internal sealed class SplitDeviceQueue<TArea> : DeviceQueue
    where TArea : struct, IRingArea
{
    private readonly TArea _descriptors;
    private readonly TArea _available;
    private readonly TArea _used;

    /// <summary>Queue size less 1: an index becomes a slot with it.</summary>
    private readonly int _mask;

    private readonly SplitInflightLog? _inflight;

    /// <summary>The heads that a predecessor held, to be taken before anything else; and how many were.</summary>
    private readonly ushort[] _inherited = [];

    private int _inheritedTaken;

    /// <summary>First available entry not yet taken.</summary>
    private RingIndex _nextAvailable;

    /// <summary>The driver's index when last read.</summary>
    private RingIndex _availableSeen;

    /// <summary>Next used entry to write.</summary>
    private RingIndex _nextUsed;

    /// <summary>The used index as the driver sees it.</summary>
    private RingIndex _usedPublished;

    /// <summary>Used entries that are written when they are published: all at once, because the driver's processor holds their memory.</summary>
    private readonly Entry[] _entries;

    private int _entryCount;

    /// <summary>What the no-notify flag says now; written only when it changes.</summary>
    private bool _areKicksSuppressed;

    public SplitDeviceQueue(ushort size, QueueState state, in RingResources resources, in RingAreas<TArea> areas)
        : this(size, state, in resources, in areas, SplitInflightLog.TryOpen(resources.Inflight, size)) { }

    private SplitDeviceQueue(
        ushort size,
        QueueState state,
        in RingResources resources,
        in RingAreas<TArea> areas,
        SplitInflightLog? inflight
    )
        : base(size, state, in resources, inflight)
    {
        _mask = size - 1;
        _entries = new Entry[size];
        _descriptors = areas.Descriptors;
        _available = areas.Driver;
        _used = areas.Device;
        _inflight = inflight;

        // The ring itself says how far it was used, also after a migration or a crash of the device.
        _nextUsed = _usedPublished = new(ReadWord(_used, SplitRing.IndexOffset));
        _nextAvailable = new(state.AvailableIndex);
        if (inflight is not null)
        {
            _inherited = inflight.Recover(_nextUsed.Value);
            // What is neither used nor held was not taken. The state may be older than the crash.
            _nextAvailable = _nextUsed + _inherited.Length;
            RequireCall();
        }

        _availableSeen = _nextAvailable;
        _used.At<ushort>(SplitRing.FlagsOffset) = 0;
        ResumeKicks();
    }

    /// <inheritdoc/>
    public override QueueState State => new(_nextAvailable.Value, _nextUsed.Value);

    /// <summary>Byte offset of the field behind the used entries in which we say when to be kicked.</summary>
    private int AvailableEventOffset => SplitRing.EntriesOffset + 8 * Size;

    /// <summary>Byte offset of the field behind the available entries in which the driver says when to be called.</summary>
    private int UsedEventOffset => SplitRing.EntriesOffset + 2 * Size;

    /// <inheritdoc/>
    public override bool TryPop(out DescriptorChain chain)
    {
        if (_inheritedTaken < _inherited.Length)
        {
            return TryPopInherited(out chain);
        }

        if (!HasAhead)
        {
            LookAhead();
            if (!HasAhead)
            {
                return TryPopAny(out chain);
            }
        }

        if (!TryTakeAhead(out chain))
        {
            _availableSeen = _nextAvailable;
            return false;
        }

        _inflight?.Take(chain.Head);
        _nextAvailable++;
        return true;
    }

    /// <inheritdoc/>
    private protected override void LookAhead()
    {
        BeginLooking();
        if (_nextAvailable == _availableSeen && !TrySeeMore())
        {
            return;
        }

        int count = Math.Min(_availableSeen - _nextAvailable, AheadRoom);
        for (int index = 0; index < count; index++)
        {
            ushort head = _available.At<ushort>(SplitRing.EntriesOffset + 2 * (_nextAvailable + index).Slot(_mask));
            if (head >= Size)
            {
                break;
            }

            // Copied once: the driver may change the table while we look.
            SplitDescriptor descriptor = _descriptors.At<SplitDescriptor>(head * 16);
            ushort flags = descriptor.Flags;
            bool isSingle = (flags & (DescriptorFlags.Next | DescriptorFlags.Indirect)) == 0;
            bool isWritable = (flags & DescriptorFlags.Write) != 0;
            if (!isSingle || !TryLookAt(head, descriptor.Address, descriptor.Length, isWritable))
            {
                break;
            }
        }

        EndLooking();
    }

    /// <inheritdoc/>
    private protected override void PassAhead(int count) => _nextAvailable += count;

    /// <summary>Takes the next chain, of whatever kind it is.</summary>
    private bool TryPopAny(out DescriptorChain chain)
    {
        chain = default;
        if (_nextAvailable == _availableSeen)
        {
            return false;
        }

        ushort head = _available.At<ushort>(SplitRing.EntriesOffset + 2 * _nextAvailable.Slot(_mask));
        if (!TryTakeChain(head, out chain))
        {
            // Whatever else the ring holds is not looked at: either a fault retires the queue, or this chain comes first.
            _availableSeen = _nextAvailable;
            return false;
        }

        _inflight?.Take(head);
        _nextAvailable++;
        return true;
    }

    /// <inheritdoc/>
    public override void SuppressKicks()
    {
        // With EVENT_IDX there is nothing to write: avail_event stays behind, and the driver kicks when it passes it only.
        if (!_areKicksSuppressed)
        {
            _areKicksSuppressed = true;
            if (!HasEventIndex)
            {
                _used.At<ushort>(SplitRing.FlagsOffset) = SplitRing.NoNotify;
                Log?.MarkDevice(SplitRing.FlagsOffset, sizeof(ushort));
            }
        }
    }

    /// <inheritdoc/>
    public override bool TryArmKicks()
    {
        if (Fault != QueueFault.None)
        {
            return true;
        }

        ResumeKicks();
        bool isEmpty =
            _inheritedTaken == _inherited.Length && ReadWord(_available, SplitRing.IndexOffset) == _nextAvailable.Value;
        return IsTranslationPending || isEmpty;
    }

    /// <inheritdoc/>
    private protected override void WriteUsed(ushort head, uint writtenBytes, int descriptors, int chains)
    {
        _entries[_entryCount++] = new(_nextUsed, head, writtenBytes);
        _nextUsed += chains;
    }

    /// <inheritdoc/>
    private protected override void WriteUsed(ReadOnlySpan<Ahead> chains, ReadOnlySpan<uint> writtenBytes)
    {
        Span<Entry> entries = _entries.AsSpan(_entryCount, chains.Length);
        RingIndex used = _nextUsed;
        for (int index = 0; index < entries.Length; index++)
        {
            entries[index] = new(used, chains[index].Head, index < writtenBytes.Length ? writtenBytes[index] : 0);
            used++;
        }

        _nextUsed = used;
        _entryCount += chains.Length;
    }

    /// <inheritdoc/>
    private protected override bool PublishWritten()
    {
        RingIndex before = _usedPublished;
        foreach (ref readonly Entry entry in _entries.AsSpan(0, _entryCount))
        {
            // Two words of 4 bytes: an element is aligned to 4, so it may lie across the border of two pages.
            int offset = SplitRing.EntriesOffset + 8 * entry.Index.Slot(_mask);
            _used.At<Le32>(offset) = entry.Head;
            _used.At<Le32>(offset + sizeof(uint)) = entry.WrittenBytes;
        }

        _entryCount = 0;
        _inflight?.Prepare();
        // Release: the entries must be seen before the index that covers them (VIRTIO 1.4 §2.7.8.2).
        Volatile.Write(ref _used.At<ushort>(SplitRing.IndexOffset), _nextUsed.Value);
        _usedPublished = _nextUsed;
        _inflight?.Commit(_nextUsed.Value);
        if (Log is not null)
        {
            MarkPublished(before);
        }

        // Full: the index must be seen before we read whether the driver wants a call, else both sides sleep (§2.7.7).
        Interlocked.MemoryBarrier();
        if (HasEventIndex)
        {
            return RingIndex.Passed(new(ReadWord(_available, UsedEventOffset)), _nextUsed, before);
        }

        return (ReadWord(_available, SplitRing.FlagsOffset) & SplitRing.NoInterrupt) == 0;
    }

    /// <summary>Reads a 16-bit word that the driver writes, before anything it covers.</summary>
    // Acquire: what the driver wrote before it published this word is seen after it (VIRTIO 1.4 §2.7.13.3).
    private static ushort ReadWord(in TArea area, int offset) => Volatile.Read(ref area.At<ushort>(offset));

    private void ResumeKicks()
    {
        if (HasEventIndex)
        {
            _used.At<ushort>(AvailableEventOffset) = _nextAvailable.Value;
            Log?.MarkDevice(AvailableEventOffset, sizeof(ushort));
        }
        else if (_areKicksSuppressed)
        {
            _used.At<ushort>(SplitRing.FlagsOffset) = 0;
            Log?.MarkDevice(SplitRing.FlagsOffset, sizeof(ushort));
        }

        _areKicksSuppressed = false;
        // Full: the request for a kick must be seen before we look at the ring again, else both sides sleep (§2.7.10).
        Interlocked.MemoryBarrier();
    }

    private bool TrySeeMore()
    {
        IsTranslationPending = false;
        if (Fault != QueueFault.None)
        {
            return false;
        }

        _availableSeen = new(ReadWord(_available, SplitRing.IndexOffset));
        ushort waiting = _availableSeen - _nextAvailable;
        if (waiting > Size)
        {
            _availableSeen = _nextAvailable;
            return Break(QueueFault.IndexJump);
        }

        return waiting > 0;
    }

    /// <summary>Takes a chain that a predecessor held; it is recorded already.</summary>
    private bool TryPopInherited(out DescriptorChain chain)
    {
        chain = default;
        if (Fault != QueueFault.None || !TryTakeChain(_inherited[_inheritedTaken], out chain))
        {
            return false;
        }

        _inheritedTaken++;
        return true;
    }

    private bool TryTakeChain(ushort head, out DescriptorChain chain)
    {
        chain = default;
        if (
            !TryCollect(head, out int readableCount, out uint readableBytes, out uint writableBytes)
            || !TryHold(head, writableBytes, 0)
        )
        {
            return false;
        }

        chain = Present(head, readableCount, readableBytes, writableBytes);
        return true;
    }

    /// <summary>Follows a chain, checks it, and collects its segments.</summary>
    private bool TryCollect(ushort head, out int readableCount, out uint readableBytes, out uint writableBytes)
    {
        readableCount = 0;
        readableBytes = writableBytes = 0;
        ulong totalBytes = 0;
        ReadOnlySpan<SplitDescriptor> table = default;
        bool isInTable = false;
        bool hasWritable = false;
        int tableLength = Size;
        int left = Size;
        uint index = head;
        BeginCollecting();
        while (true)
        {
            if (index >= (uint)tableLength)
            {
                return Break(QueueFault.DescriptorOutsideTable);
            }

            if (left-- == 0)
            {
                return Break(QueueFault.ChainTooLong);
            }

            // Copied once: the driver may change the table while we look.
            SplitDescriptor descriptor = isInTable
                ? table[(int)index]
                : _descriptors.At<SplitDescriptor>((int)index * 16);
            ushort flags = descriptor.Flags;
            if ((flags & DescriptorFlags.Indirect) != 0)
            {
                if (isInTable || (flags & DescriptorFlags.Next) != 0)
                {
                    return Break(QueueFault.IndirectNested);
                }

                if (!TryEnterTable(descriptor, out table))
                {
                    return false;
                }

                isInTable = true;
                tableLength = left = table.Length;
                index = 0;
                continue;
            }

            bool isWritable = (flags & DescriptorFlags.Write) != 0;
            if (!isWritable && hasWritable)
            {
                return Break(QueueFault.ReadableAfterWritable);
            }

            totalBytes += descriptor.Length;
            if (totalBytes > uint.MaxValue)
            {
                return Break(QueueFault.ChainTooLarge);
            }

            Translate(new(descriptor.Address), descriptor.Length, isWritable);

            if (isWritable)
            {
                hasWritable = true;
                writableBytes += descriptor.Length;
            }
            else
            {
                readableBytes += descriptor.Length;
                readableCount = Segments.Count;
            }

            if ((flags & DescriptorFlags.Next) == 0)
            {
                return !IsTranslationPending;
            }

            index = descriptor.Next;
        }
    }

    /// <summary>Checks and finds an indirect table (VIRTIO 1.4 §2.7.5.3); its own write flag means nothing.</summary>
    private bool TryEnterTable(SplitDescriptor descriptor, out ReadOnlySpan<SplitDescriptor> table)
    {
        table = default;
        if (!TryCheckTable(descriptor.Length))
        {
            return false;
        }

        Segment segment = FindTable(new(descriptor.Address), descriptor.Length);
        if (segment.Length == 0)
        {
            return false;
        }

        table = Wire.Reinterpret<byte, SplitDescriptor>(segment.Bytes);
        return true;
    }

    /// <summary>Records the writes of a publication in the log of the ring.</summary>
    private void MarkPublished(RingIndex before)
    {
        int first = before.Slot(_mask);
        int count = _nextUsed - before;
        int untilEnd = Math.Min(count, Size - first);
        Log?.MarkDevice(SplitRing.EntriesOffset + 8 * first, 8 * untilEnd);
        Log?.MarkDevice(SplitRing.EntriesOffset, 8 * (count - untilEnd));
        Log?.MarkDevice(SplitRing.IndexOffset, sizeof(ushort));
    }

    /// <summary>A used entry that was not yet written.</summary>
    /// <param name="Index">Where it goes.</param>
    /// <param name="Head">The head of the chain, or of the last of several.</param>
    /// <param name="WrittenBytes">How many bytes were written to it.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Entry(RingIndex Index, uint Head, uint WrittenBytes);
}
