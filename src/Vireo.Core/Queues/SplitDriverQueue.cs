using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The driver side of a split virtqueue (VIRTIO 1.4 §2.7).</summary>
/// <remarks>
/// What the device could overwrite is never read back: the chains, their lengths and the free list are kept in private arrays,
/// and the descriptor table is only written.
/// </remarks>
internal sealed unsafe class SplitDriverQueue : DriverQueue
{
    private readonly SplitDescriptor* _descriptors;
    private readonly byte* _available;
    private readonly byte* _used;

    /// <summary>Room for the indirect tables of all descriptors, one behind the other; null when none are made.</summary>
    private readonly SplitDescriptor* _tables;

    private readonly GuestAddress _tablesAddress;

    /// <summary>How many descriptors one indirect table may have; 0 when none are made.</summary>
    private readonly int _tableLength;

    /// <summary>Queue size less 1: an index becomes a slot with it.</summary>
    private readonly int _mask;

    private readonly bool _hasEventIndex;

    /// <summary>
    /// With IN_ORDER, descriptors are taken and given back in ring order, as §2.7.5.2 asks; without, the last one given back is
    /// the first one taken, because it is still in the cache.
    /// </summary>
    private readonly bool _isInOrder;

    /// <summary>Which descriptor follows each one, in its chain or in the free list.</summary>
    private readonly ushort[] _links;

    /// <summary>The buffer that begins at each descriptor.</summary>
    private readonly Buffer[] _buffers;

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

    /// <summary>How many buffers were ever added; numbers them.</summary>
    private ulong _added;

    /// <summary>How many of these the device can know of.</summary>
    private ulong _published;

    /// <summary>How many buffers were ever taken back.</summary>
    private ulong _taken;

    /// <summary>With IN_ORDER: the descriptor at which the oldest buffer in flight begins.</summary>
    private ushort _oldest;

    /// <summary>With IN_ORDER: how many buffers will have been taken at the end of the batch that is being taken.</summary>
    private ulong _batchEnd;

    /// <summary>With IN_ORDER: how many bytes were written to the last buffer of the batch.</summary>
    private uint _batchLength;

    /// <summary>What the no-interrupt flag says now; written only when it changes.</summary>
    private bool _areCallsSuppressed;

    // SAFETY: the pointers come from ranges that Locate checked against memory that outlives the queue, with the sizes
    // computed from the checked queue size; slots are masked below that size and descriptor numbers come from our own arrays.
    public SplitDriverQueue(in QueueAreas areas, GuestMemory memory, FeatureSet features, IndirectTables? tables)
        : base(RingArea.CheckSplitSize(areas.Size))
    {
        int size = areas.Size;
        _mask = size - 1;
        _hasEventIndex = features.Contains(CoreFeature.EventIndex);
        _isInOrder = features.Contains(CoreFeature.InOrder);
        _links = new ushort[size];
        _buffers = new Buffer[size];
        for (int index = 0; index < size; index++)
        {
            _links[index] = (ushort)((index + 1) & _mask);
        }

        Segment descriptors = RingArea.Locate(
            memory,
            "descriptor table",
            areas.Descriptors,
            SplitRing.DescriptorBytes(size),
            SplitRing.DescriptorAlignment,
            MemoryAccess.ReadWrite
        );
        Segment available = RingArea.Locate(
            memory,
            "available ring",
            areas.Driver,
            SplitRing.AvailableBytes(size),
            SplitRing.AvailableAlignment,
            MemoryAccess.ReadWrite
        );
        Segment used = RingArea.Locate(
            memory,
            "used ring",
            areas.Device,
            SplitRing.UsedBytes(size),
            SplitRing.UsedAlignment,
            MemoryAccess.ReadWrite
        );
        descriptors.Bytes.Clear();
        available.Bytes.Clear();
        used.Bytes.Clear();
        _descriptors = (SplitDescriptor*)descriptors.Address;
        _available = (byte*)available.Address;
        _used = (byte*)used.Address;

        if (tables is { } given && features.Contains(CoreFeature.IndirectDescriptors))
        {
            _tablesAddress = given.Address;
            // No chain may be longer than the queue, indirect or not (§2.7.5.3.1).
            _tableLength = Math.Min(given.DescriptorsPerTable, areas.Size);
            _tables = (SplitDescriptor*)
                RingArea
                    .Locate(
                        memory,
                        "indirect tables",
                        given.Address,
                        (int)IndirectTables.LengthBytes(areas.Size, (ushort)_tableLength),
                        SplitRing.DescriptorAlignment,
                        MemoryAccess.ReadWrite
                    )
                    .Address;
        }
    }

    /// <inheritdoc/>
    public override bool TryAdd(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable, ulong tag)
    {
        int pieces = readable.Length + writable.Length;
        bool isIndirect = pieces > 1 && pieces <= _tableLength;
        int needed = isIndirect ? 1 : pieces;
        if (needed == 0 || needed > FreeDescriptors || Fault != UsedFault.None)
        {
            return RefuseToAdd(pieces);
        }

        uint writableBytes = CountBytes(readable, writable);
        ushort head = _free;
        ushort last = isIndirect ? WriteIndirect(readable, writable) : WriteDirect(readable, writable, pieces);
        _free = _links[last];
        _buffers[head] = new(tag, writableBytes, (ushort)needed, last, _added++);
        ((ushort*)(_available + SplitRing.EntriesOffset))[_nextAvailable.Slot(_mask)] = head;
        _nextAvailable++;
        FreeDescriptors -= needed;
        InFlight++;
        return true;
    }

    /// <inheritdoc/>
    public override bool Publish()
    {
        RingIndex before = _availablePublished;
        if (_nextAvailable == before || Fault != UsedFault.None)
        {
            return false;
        }

        // Release: descriptors and entries must be seen before the index that covers them (VIRTIO 1.4 §2.7.13.3.1).
        Volatile.Write(ref *(ushort*)(_available + SplitRing.IndexOffset), _nextAvailable.Value);
        _availablePublished = _nextAvailable;
        _published = _added;

        // Full: the index must be seen before we read whether the device wants a kick, else both sides sleep (§2.7.13.4.1).
        Interlocked.MemoryBarrier();
        if (_hasEventIndex)
        {
            RingIndex availableEvent = new(ReadWord(_used + SplitRing.EntriesOffset + 8 * Size));
            return RingIndex.Passed(availableEvent, _nextAvailable, before);
        }

        return (ReadWord(_used + SplitRing.FlagsOffset) & SplitRing.NoNotify) == 0;
    }

    /// <inheritdoc/>
    public override bool TryTake(out DriverCompletion completion)
    {
        completion = default;
        if (_nextUsed == _usedSeen && !TrySeeMore())
        {
            return false;
        }

        return _isInOrder ? TryTakeInOrder(out completion) : TryTakeAny(out completion);
    }

    /// <inheritdoc/>
    public override void SuppressCalls()
    {
        // With EVENT_IDX there is nothing to write: used_event stays behind, and the device calls when it passes it only.
        if (!_areCallsSuppressed)
        {
            _areCallsSuppressed = true;
            if (!_hasEventIndex)
            {
                *(ushort*)(_available + SplitRing.FlagsOffset) = SplitRing.NoInterrupt;
            }
        }
    }

    /// <inheritdoc/>
    public override bool TryArmCalls()
    {
        if (Fault != UsedFault.None)
        {
            return true;
        }

        if (_hasEventIndex)
        {
            *(ushort*)(_available + SplitRing.EntriesOffset + 2 * Size) = _nextUsed.Value;
        }
        else if (_areCallsSuppressed)
        {
            *(ushort*)(_available + SplitRing.FlagsOffset) = 0;
        }

        _areCallsSuppressed = false;
        // Full: the request for a call must be seen before we look at the ring again, else both sides sleep (§2.7.7).
        Interlocked.MemoryBarrier();
        return ReadWord(_used + SplitRing.IndexOffset) == _nextUsed.Value;
    }

    /// <summary>Reads a 16-bit word that the device writes, before anything it covers.</summary>
    // Acquire: what the device wrote before it published this word is seen after it (VIRTIO 1.4 §2.7.14).
    private static ushort ReadWord(byte* word) => Volatile.Read(ref *(ushort*)word);

    /// <summary>Writes the pieces of a buffer into the descriptor table.</summary>
    /// <returns>The last descriptor written.</returns>
    private ushort WriteDirect(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable, int pieces)
    {
        ushort index = _free;
        ushort last = index;
        foreach (ref readonly GuestRange range in readable)
        {
            last = index;
            index = WriteOne(index, in range, 0, --pieces > 0);
        }

        foreach (ref readonly GuestRange range in writable)
        {
            last = index;
            index = WriteOne(index, in range, DescriptorFlags.Write, --pieces > 0);
        }

        return last;
    }

    private ushort WriteOne(ushort index, in GuestRange range, ushort flags, bool hasNext)
    {
        ushort next = _links[index];
        _descriptors[index] = new()
        {
            Address = range.Address.Value,
            Length = range.LengthBytes,
            Flags = hasNext ? (ushort)(flags | DescriptorFlags.Next) : flags,
            Next = hasNext ? next : (ushort)0,
        };
        return next;
    }

    /// <summary>Writes the pieces of a buffer into the table of the first free descriptor, and that descriptor.</summary>
    /// <returns>The descriptor.</returns>
    private ushort WriteIndirect(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        ushort head = _free;
        int pieces = readable.Length + writable.Length;
        int start = head * _tableLength;
        SplitDescriptor* table = _tables + start;
        int index = 0;
        foreach (ref readonly GuestRange range in readable)
        {
            table[index] = TableEntry(in range, 0, index + 1, pieces);
            index++;
        }

        foreach (ref readonly GuestRange range in writable)
        {
            table[index] = TableEntry(in range, DescriptorFlags.Write, index + 1, pieces);
            index++;
        }

        _descriptors[head] = new()
        {
            Address = _tablesAddress.Value + (uint)(start * sizeof(SplitDescriptor)),
            Length = (uint)(pieces * sizeof(SplitDescriptor)),
            Flags = DescriptorFlags.Indirect,
            Next = 0,
        };
        return head;
    }

    private static SplitDescriptor TableEntry(in GuestRange range, ushort flags, int next, int pieces) =>
        new()
        {
            Address = range.Address.Value,
            Length = range.LengthBytes,
            Flags = next < pieces ? (ushort)(flags | DescriptorFlags.Next) : flags,
            Next = next < pieces ? (ushort)next : (ushort)0,
        };

    private bool TrySeeMore()
    {
        if (Fault != UsedFault.None)
        {
            return false;
        }

        RingIndex seen = new(ReadWord(_used + SplitRing.IndexOffset));
        // Only what the device can know of can have been used; what was added and not published it cannot know.
        if (seen - _nextUsed > _availablePublished - _nextUsed)
        {
            return Break(UsedFault.IndexJump);
        }

        _usedSeen = seen;
        return seen != _nextUsed;
    }

    private bool TryTakeAny(out DriverCompletion completion)
    {
        completion = default;
        // Copied once: the device may change the entry while we look.
        SplitUsedElement element = ((SplitUsedElement*)(_used + SplitRing.EntriesOffset))[_nextUsed.Slot(_mask)];
        uint head = element.Id;
        if (!IsWithDevice(head))
        {
            return Fail(UsedFault.UnknownBuffer);
        }

        ref Buffer buffer = ref _buffers[head];
        if (element.Length > buffer.WritableBytes)
        {
            return Fail(UsedFault.LengthBeyondBuffer);
        }

        completion = new(buffer.Tag, element.Length);
        _links[buffer.Last] = _free;
        _free = (ushort)head;
        Forget(ref buffer);
        return true;
    }

    /// <summary>Takes the next buffer of a batch, of which the device has named the last one only (VIRTIO 1.4 §2.7.9).</summary>
    private bool TryTakeInOrder(out DriverCompletion completion)
    {
        completion = default;
        if (_taken == _batchEnd && !TryBeginBatch())
        {
            return false;
        }

        ref Buffer buffer = ref _buffers[_oldest];
        bool isLast = _taken + 1 == _batchEnd;
        if (isLast && _batchLength > buffer.WritableBytes)
        {
            return Fail(UsedFault.LengthBeyondBuffer);
        }

        // Buffers that the device skipped are taken as used completely.
        completion = new(buffer.Tag, isLast ? _batchLength : buffer.WritableBytes);
        _oldest = _links[buffer.Last];
        Forget(ref buffer);
        return true;
    }

    private bool TryBeginBatch()
    {
        SplitUsedElement element = ((SplitUsedElement*)(_used + SplitRing.EntriesOffset))[_nextUsed.Slot(_mask)];
        uint head = element.Id;
        if (!IsWithDevice(head))
        {
            return Fail(UsedFault.UnknownBuffer);
        }

        ulong end = _buffers[head].Number + 1;
        if (end - _taken > (uint)(_usedSeen - _nextUsed))
        {
            return Fail(UsedFault.OutOfOrder);
        }

        _batchEnd = end;
        _batchLength = element.Length;
        return true;
    }

    /// <summary>Whether a buffer begins at a descriptor, and the device has been told of it.</summary>
    private bool IsWithDevice(uint head) =>
        head < (uint)_buffers.Length && _buffers[head].Descriptors != 0 && _buffers[head].Number < _published;

    private void Forget(ref Buffer buffer)
    {
        FreeDescriptors += buffer.Descriptors;
        InFlight--;
        buffer = default;
        _nextUsed++;
        _taken++;
    }

    /// <summary>Latches a fault found in an entry, and looks at no entry any more.</summary>
    private bool Fail(UsedFault fault)
    {
        _usedSeen = _nextUsed;
        return Break(fault);
    }

    /// <summary>A buffer in flight; the default value when there is none.</summary>
    /// <param name="Tag">The driver's name for it.</param>
    /// <param name="WritableBytes">Length of the part that the device may write.</param>
    /// <param name="Descriptors">How many descriptors of the table it takes; 0 when there is no buffer.</param>
    /// <param name="Last">The last of these descriptors.</param>
    /// <param name="Number">How many buffers were added before it.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Buffer(ulong Tag, uint WritableBytes, ushort Descriptors, ushort Last, ulong Number);
}
