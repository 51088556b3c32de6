using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The driver side of a split virtqueue (VIRTIO 1.4 §2.7).</summary>
internal sealed class SplitDriverQueue : DriverQueue
{
    private readonly ContiguousArea _descriptors;
    private readonly ContiguousArea _available;
    private readonly ContiguousArea _used;
    private readonly DriverTables<SplitDescriptor>? _tables;

    /// <summary>Queue size less 1: an index becomes a slot with it.</summary>
    private readonly int _mask;

    /// <summary>
    /// Which descriptor follows each one, in its chain or in the free list. With IN_ORDER always the next one of the table, as
    /// §2.7.5.2 asks; without, what was given back last is taken first, because it is still in the cache.
    /// </summary>
    private readonly ushort[] _links;

    /// <summary>The first free descriptor, when there is one.</summary>
    private ushort _free;

    /// <summary>Next available entry to write.</summary>
    private RingIndex _nextAvailable;

    /// <summary>The available index as the device sees it.</summary>
    private RingIndex _availablePublished;

    /// <summary>First used entry not yet taken.</summary>
    private RingIndex _nextUsed;

    /// <summary>The device's index when last read.</summary>
    private RingIndex _usedSeen;

    /// <summary>What the no-interrupt flag says now; written only when it changes.</summary>
    private bool _areCallsSuppressed;

    public SplitDriverQueue(in QueueAreas areas, GuestMemory memory, FeatureSet features, IndirectTables? tables)
        : base(areas.Size, features)
    {
        _mask = areas.Size - 1;
        _links = new ushort[areas.Size];
        for (int index = 0; index < _links.Length; index++)
        {
            _links[index] = (ushort)((index + 1) & _mask);
        }

        _descriptors = Clear(memory, RingArea.Descriptors(in areas, MemoryAccess.ReadWrite));
        _available = Clear(memory, RingArea.Available(in areas, MemoryAccess.ReadWrite));
        _used = Clear(memory, RingArea.Used(in areas));
        if (tables is { } given)
        {
            _tables = new(memory, given, areas.Size);
            TableLength = _tables.Length;
        }
    }

    /// <inheritdoc/>
    public override NotificationData NotificationData(ushort queue)
    {
        ushort index = _availablePublished.Value;
        return new(queue, (ushort)(index & 0x7fff), index >> 15 != 0);
    }

    /// <inheritdoc/>
    public override void SuppressCalls()
    {
        // With EVENT_IDX there is nothing to write: used_event stays behind, and the device calls when it passes it only.
        if (!_areCallsSuppressed)
        {
            _areCallsSuppressed = true;
            if (!HasEventIndex)
            {
                _available.At<ushort>(SplitRing.FlagsOffset) = SplitRing.NoInterrupt;
            }
        }
    }

    /// <inheritdoc/>
    private protected override ushort Write(
        ReadOnlySpan<GuestRange> readable,
        ReadOnlySpan<GuestRange> writable,
        bool isIndirect,
        out ushort last
    )
    {
        ushort head = _free;
        last = isIndirect ? WriteIndirect(readable, writable) : WriteDirect(readable, writable);
        _free = _links[last];
        _available.At<ushort>(SplitRing.EntriesOffset + 2 * _nextAvailable.Slot(_mask)) = head;
        _nextAvailable++;
        return head;
    }

    /// <inheritdoc/>
    private protected override bool PublishAdded()
    {
        RingIndex before = _availablePublished;
        // Release: descriptors and entries must be seen before the index that covers them (VIRTIO 1.4 §2.7.13.3.1).
        Volatile.Write(ref _available.At<ushort>(SplitRing.IndexOffset), _nextAvailable.Value);
        _availablePublished = _nextAvailable;

        // Full: the index must be seen before we read whether the device wants a kick, else both sides sleep (§2.7.13.4.1).
        Interlocked.MemoryBarrier();
        if (HasEventIndex)
        {
            RingIndex availableEvent = new(ReadUsedWord(SplitRing.EntriesOffset + 8 * Size));
            return RingIndex.Passed(availableEvent, _nextAvailable, before);
        }

        return (ReadUsedWord(SplitRing.FlagsOffset) & SplitRing.NoNotify) == 0;
    }

    /// <inheritdoc/>
    private protected override bool TryReadUsed(out uint id, out uint writtenBytes, out int buffersMax)
    {
        id = writtenBytes = 0;
        buffersMax = 0;
        if (_nextUsed == _usedSeen && !TrySeeMore())
        {
            return false;
        }

        // Copied once: the device may change the entry while we look.
        SplitUsedElement element = _used.At<SplitUsedElement>(SplitRing.EntriesOffset + 8 * _nextUsed.Slot(_mask));
        id = element.Id;
        writtenBytes = element.Length;
        buffersMax = _usedSeen - _nextUsed;
        return true;
    }

    /// <inheritdoc/>
    private protected override void Free(ushort id, ushort last, int descriptors)
    {
        _nextUsed++;
        if (!IsInOrder)
        {
            _links[last] = _free;
            _free = id;
        }
    }

    /// <inheritdoc/>
    private protected override bool ArmCalls()
    {
        if (HasEventIndex)
        {
            _available.At<ushort>(SplitRing.EntriesOffset + 2 * Size) = _nextUsed.Value;
        }
        else if (_areCallsSuppressed)
        {
            _available.At<ushort>(SplitRing.FlagsOffset) = 0;
        }

        _areCallsSuppressed = false;
        // Full: the request for a call must be seen before we look at the ring again, else both sides sleep (§2.7.7).
        Interlocked.MemoryBarrier();
        return ReadUsedWord(SplitRing.IndexOffset) == _nextUsed.Value;
    }

    private static ContiguousArea Clear(GuestMemory memory, in RingArea area)
    {
        Segment segment = RingLocator.Locate(memory, in area);
        segment.Bytes.Clear();
        return new(segment);
    }

    /// <summary>Reads a 16-bit word that the device writes, before anything it covers.</summary>
    // Acquire: what the device wrote before it published this word is seen after it (VIRTIO 1.4 §2.7.14).
    private ushort ReadUsedWord(int offset) => Volatile.Read(ref _used.At<ushort>(offset));

    /// <summary>Writes the pieces of a buffer into the descriptor table.</summary>
    /// <returns>The last descriptor written.</returns>
    private ushort WriteDirect(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        int left = readable.Length + writable.Length;
        ushort index = _free;
        ushort last = index;
        foreach (ref readonly GuestRange range in readable)
        {
            last = index;
            index = _links[last];
            _descriptors.At<SplitDescriptor>(16 * last) = Descriptor(in range, 0, --left > 0, index);
        }

        foreach (ref readonly GuestRange range in writable)
        {
            last = index;
            index = _links[last];
            _descriptors.At<SplitDescriptor>(16 * last) = Descriptor(
                in range,
                DescriptorFlags.Write,
                --left > 0,
                index
            );
        }

        return last;
    }

    /// <summary>Writes the pieces of a buffer into the table of the first free descriptor, and that descriptor.</summary>
    /// <returns>The descriptor.</returns>
    private ushort WriteIndirect(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        int pieces = readable.Length + writable.Length;
        Span<SplitDescriptor> table = _tables!.Of(_free, out GuestAddress address);
        int index = 0;
        foreach (ref readonly GuestRange range in readable)
        {
            table[index] = Descriptor(in range, 0, index + 1 < pieces, (ushort)(index + 1));
            index++;
        }

        foreach (ref readonly GuestRange range in writable)
        {
            table[index] = Descriptor(in range, DescriptorFlags.Write, index + 1 < pieces, (ushort)(index + 1));
            index++;
        }

        GuestRange tableRange = new(address, 16 * (uint)pieces);
        _descriptors.At<SplitDescriptor>(16 * _free) = Descriptor(in tableRange, DescriptorFlags.Indirect, false, 0);
        return _free;
    }

    private static SplitDescriptor Descriptor(in GuestRange range, ushort flags, bool hasNext, ushort next) =>
        new()
        {
            Address = range.Address.Value,
            Length = range.LengthBytes,
            Flags = hasNext ? (ushort)(flags | DescriptorFlags.Next) : flags,
            Next = hasNext ? next : (ushort)0,
        };

    private bool TrySeeMore()
    {
        RingIndex seen = new(ReadUsedWord(SplitRing.IndexOffset));
        // Only what the device can know of can have been used; what was added and not published it cannot know.
        if (seen - _nextUsed > _availablePublished - _nextUsed)
        {
            return Break(UsedFault.IndexJump);
        }

        _usedSeen = seen;
        return seen != _nextUsed;
    }
}
