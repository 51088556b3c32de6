using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The device side of a split virtqueue (VIRTIO 1.4 §2.7).</summary>
internal sealed unsafe class SplitDeviceQueue : DeviceQueue
{
    private readonly SplitDescriptor* _descriptors;
    private readonly byte* _available;
    private readonly byte* _used;

    /// <summary>Queue size less 1: an index becomes a slot with it.</summary>
    private readonly int _mask;

    private readonly bool _hasIndirect;
    private readonly bool _hasEventIndex;

    /// <summary>First available entry not yet taken.</summary>
    private RingIndex _nextAvailable;

    /// <summary>The driver's index when last read.</summary>
    private RingIndex _availableSeen;

    /// <summary>Next used entry to write.</summary>
    private RingIndex _nextUsed;

    /// <summary>The used index as the driver sees it.</summary>
    private RingIndex _usedPublished;

    /// <summary>
    /// Whether the next publication calls whatever the driver's used_event says: after a start nobody knows at which index the
    /// last call was made.
    /// </summary>
    private bool _mustCall = true;

    /// <summary>What the no-notify flag says now; written only when it changes.</summary>
    private bool _kicksSuppressed;

    // SAFETY: the three pointers come from ranges that Locate checked against memory that outlives the queue, with the
    // sizes computed from the checked queue size; slots are always masked below that size.
    public SplitDeviceQueue(in QueueAreas areas, QueueState state, GuestMemory memory, FeatureSet features)
        : base(RingArea.CheckSplitSize(areas.Size), memory)
    {
        int size = areas.Size;
        _mask = size - 1;
        _hasIndirect = features.Contains(CoreFeature.IndirectDescriptors);
        _hasEventIndex = features.Contains(CoreFeature.EventIndex);
        _descriptors = (SplitDescriptor*)
            RingArea
                .Locate(
                    memory,
                    "descriptor table",
                    areas.Descriptors,
                    SplitRing.DescriptorBytes(size),
                    SplitRing.DescriptorAlignment,
                    MemoryAccess.Read
                )
                .Address;
        _available = (byte*)
            RingArea
                .Locate(
                    memory,
                    "available ring",
                    areas.Driver,
                    SplitRing.AvailableBytes(size),
                    SplitRing.AvailableAlignment,
                    MemoryAccess.Read
                )
                .Address;
        _used = (byte*)
            RingArea
                .Locate(
                    memory,
                    "used ring",
                    areas.Device,
                    SplitRing.UsedBytes(size),
                    SplitRing.UsedAlignment,
                    MemoryAccess.ReadWrite
                )
                .Address;

        _nextAvailable = _availableSeen = new(state.AvailableIndex);
        // The ring itself says how far it was used, also after a migration or a crash of the device.
        _nextUsed = _usedPublished = new(ReadWord(_used + SplitRing.IndexOffset));
        _kicksSuppressed = true;
        ResumeKicks();
    }

    /// <inheritdoc/>
    public override QueueState State => new(_nextAvailable.Value, _nextUsed.Value);

    /// <inheritdoc/>
    public override bool HasUnpublished => _nextUsed != _usedPublished;

    /// <inheritdoc/>
    public override bool TryPop(out DescriptorChain chain)
    {
        chain = default;
        if (_nextAvailable == _availableSeen && !TrySeeMore())
        {
            return false;
        }

        ushort head = ((ushort*)(_available + SplitRing.EntriesOffset))[_nextAvailable.Slot(_mask)];
        if (!TryCollect(head, out int readableCount, out uint readableBytes, out uint writableBytes) || !TryHold(head))
        {
            // Whatever else the ring holds is not looked at: either a fault retires the queue, or this chain comes first.
            _availableSeen = _nextAvailable;
            return false;
        }

        _nextAvailable++;
        ReadOnlySpan<Segment> segments = Segments.Items;
        chain = new(head, segments[..readableCount], segments[readableCount..], readableBytes, writableBytes);
        return true;
    }

    /// <inheritdoc/>
    public override void Complete(ushort head, uint writtenBytes)
    {
        Release(head, writtenBytes);
        var entries = (SplitUsedElement*)(_used + SplitRing.EntriesOffset);
        entries[_nextUsed.Slot(_mask)] = new() { Id = head, Length = writtenBytes };
        _nextUsed++;
    }

    /// <inheritdoc/>
    public override bool Publish()
    {
        if (_nextUsed == _usedPublished)
        {
            return false;
        }

        // Release: the entries must be seen before the index that covers them (VIRTIO 1.4 §2.7.8.2).
        Volatile.Write(ref *(ushort*)(_used + SplitRing.IndexOffset), _nextUsed.Value);
        RingIndex before = _usedPublished;
        _usedPublished = _nextUsed;

        // Full: the index must be seen before we read whether the driver wants a call, else both sides sleep (§2.7.7).
        Interlocked.MemoryBarrier();
        if (_mustCall)
        {
            _mustCall = false;
            return true;
        }

        if (_hasEventIndex)
        {
            RingIndex usedEvent = new(ReadWord(_available + SplitRing.EntriesOffset + 2 * Size));
            return RingIndex.Passed(usedEvent, _nextUsed, before);
        }

        return (ReadWord(_available + SplitRing.FlagsOffset) & SplitRing.NoInterrupt) == 0;
    }

    /// <inheritdoc/>
    public override void SuppressKicks()
    {
        // With EVENT_IDX there is nothing to write: avail_event stays behind, and the driver kicks when it passes it only.
        if (!_kicksSuppressed)
        {
            _kicksSuppressed = true;
            if (!_hasEventIndex)
            {
                *(ushort*)(_used + SplitRing.FlagsOffset) = SplitRing.NoNotify;
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
        return IsTranslationPending || ReadWord(_available + SplitRing.IndexOffset) == _nextAvailable.Value;
    }

    /// <summary>Reads a 16-bit word that the driver writes, before anything it covers.</summary>
    // Acquire: what the driver wrote before it published this word is seen after it (VIRTIO 1.4 §2.7.13.3).
    private static ushort ReadWord(byte* word) => Volatile.Read(ref *(ushort*)word);

    private void ResumeKicks()
    {
        if (_hasEventIndex)
        {
            *(ushort*)(_used + SplitRing.EntriesOffset + 8 * Size) = _nextAvailable.Value;
        }
        else if (_kicksSuppressed)
        {
            *(ushort*)(_used + SplitRing.FlagsOffset) = 0;
        }

        _kicksSuppressed = false;
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

        _availableSeen = new(ReadWord(_available + SplitRing.IndexOffset));
        ushort waiting = _availableSeen - _nextAvailable;
        if (waiting > Size)
        {
            _availableSeen = _nextAvailable;
            return Break(QueueFault.IndexJump);
        }

        return waiting > 0;
    }

    /// <summary>Follows a chain, checks it, and collects its segments.</summary>
    private bool TryCollect(ushort head, out int readableCount, out uint readableBytes, out uint writableBytes)
    {
        readableCount = 0;
        readableBytes = writableBytes = 0;
        ulong totalBytes = 0;
        SplitDescriptor* table = _descriptors;
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
            SplitDescriptor descriptor = table[index];
            ushort flags = descriptor.Flags;
            if ((flags & DescriptorFlags.Indirect) != 0)
            {
                if (table != _descriptors || (flags & DescriptorFlags.Next) != 0)
                {
                    return Break(QueueFault.IndirectNested);
                }

                if (!TryEnterTable(descriptor, out table, out tableLength))
                {
                    return false;
                }

                left = tableLength;
                index = 0;
                continue;
            }

            bool isWritable = (flags & DescriptorFlags.Write) != 0;
            if (!isWritable && writableBytes > 0)
            {
                return Break(QueueFault.ReadableAfterWritable);
            }

            totalBytes += descriptor.Length;
            if (totalBytes > uint.MaxValue)
            {
                return Break(QueueFault.ChainTooLarge);
            }

            if (!TryTranslate(new(descriptor.Address), descriptor.Length, isWritable))
            {
                return false;
            }

            if (isWritable)
            {
                writableBytes += descriptor.Length;
            }
            else
            {
                readableBytes += descriptor.Length;
                readableCount = Segments.Count;
            }

            if ((flags & DescriptorFlags.Next) == 0)
            {
                return true;
            }

            index = descriptor.Next;
        }
    }

    /// <summary>Checks and finds an indirect table (VIRTIO 1.4 §2.7.5.3).</summary>
    private bool TryEnterTable(SplitDescriptor descriptor, out SplitDescriptor* table, out int length)
    {
        table = null;
        uint bytes = descriptor.Length;
        length = (int)(bytes / (uint)sizeof(SplitDescriptor));
        if (!_hasIndirect)
        {
            return Break(QueueFault.IndirectNotNegotiated);
        }

        if (length == 0 || bytes % (uint)sizeof(SplitDescriptor) != 0)
        {
            return Break(QueueFault.IndirectLength);
        }

        if (length > IndirectLengthMax)
        {
            return Break(QueueFault.ChainTooLong);
        }

        // SAFETY: the range was checked for exactly this length, or is our own pinned copy of that length.
        Segment segment = FindTable(new(descriptor.Address), bytes);
        table = (SplitDescriptor*)segment.Address;
        return table != null;
    }
}
