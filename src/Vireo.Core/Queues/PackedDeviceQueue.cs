using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The device side of a packed virtqueue (VIRTIO 1.4 §2.8).</summary>
/// <remarks>
/// A used descriptor shows itself by its own flags. To publish several at once, the flags of the first one are written last:
/// the driver looks at no other before it has seen that one.
/// </remarks>
/// <typeparam name="TArea">How the areas of the ring lie in this process.</typeparam>
internal sealed class PackedDeviceQueue<TArea> : DeviceQueue
    where TArea : struct, IRingArea
{
    /// <summary>Room for the descriptors of a usual chain.</summary>
    private const int GatheredAtStart = 32;

    private const int DescriptorBytes = 16;

    /// <summary>Byte offset of a descriptor's length, behind which id and flags stand.</summary>
    private const int LengthOffset = 8;

    /// <summary>Byte offset of a descriptor's flags.</summary>
    private const int FlagsOffset = 14;

    /// <summary>Where the id stands in the second half of a descriptor, and the flags.</summary>
    private const int IdShift = 32;

    private const int FlagsShift = 48;

    private readonly TArea _ring;
    private readonly TArea _driverEvents;
    private readonly TArea _deviceEvents;
    private readonly PackedInflightLog? _inflight;

    /// <summary>The chains that a predecessor held, to be taken before anything else; and how many were.</summary>
    private readonly ushort[] _inherited = [];

    private int _inheritedTaken;

    /// <summary>Private copies of the descriptors of the chain being taken; grows up to the queue size.</summary>
    private PackedDescriptor[] _gathered;

    /// <summary>Where the next available descriptor stands, and the driver's wrap counter there.</summary>
    private int _nextAvailable;

    private bool _availableWrap;

    /// <summary>Where the next used descriptor will be written, and our wrap counter there.</summary>
    private int _nextUsed;

    private bool _usedWrap;

    /// <summary>How many descriptors were taken whose place the driver cannot know to be free.</summary>
    private int _outstanding;

    /// <summary>How many of these have been passed by used descriptors since the last publication.</summary>
    private int _passed;

    /// <summary>Used descriptors that are written when they are published: all at once, because the driver's processor holds their memory.</summary>
    private readonly Entry[] _entries;

    private int _entryCount;

    /// <summary>What we ask of the driver now; written only when it changes.</summary>
    private uint _asked;

    public PackedDeviceQueue(ushort size, QueueState state, in RingResources resources, in RingAreas<TArea> areas)
        : this(size, state, in resources, in areas, PackedInflightLog.TryOpen(resources.Inflight, size)) { }

    private PackedDeviceQueue(
        ushort size,
        QueueState state,
        in RingResources resources,
        in RingAreas<TArea> areas,
        PackedInflightLog? inflight
    )
        : base(size, state, in resources, inflight)
    {
        if (state.AvailableIndex >= size || state.UsedIndex >= size)
        {
            throw new RingException(
                $"positions {state.AvailableIndex} and {state.UsedIndex} are not in a ring of {size} descriptors"
            );
        }

        _ring = areas.Descriptors;
        _driverEvents = areas.Driver;
        _deviceEvents = areas.Device;
        _inflight = inflight;
        _gathered = new PackedDescriptor[Math.Min(GatheredAtStart, (int)size)];
        _entries = new Entry[size];
        (_nextAvailable, _availableWrap) = (state.AvailableIndex, state.AvailableWrap);
        (_nextUsed, _usedWrap) = (state.UsedIndex, state.UsedWrap);
        if (inflight is not null && inflight.Open(_nextUsed, _usedWrap))
        {
            _inherited = Inherit(inflight);
        }

        Ask(PackedEvents.Disable);
        ResumeKicks();
    }

    /// <inheritdoc/>
    public override QueueState State => new((ushort)_nextAvailable, (ushort)_nextUsed, _availableWrap, _usedWrap);

    /// <inheritdoc/>
    public override bool TryPop(out DescriptorChain chain)
    {
        if (!HasAhead)
        {
            // What is recorded for a successor has to be what was taken, so there each chain is copied when it is.
            if (_inflight is null && Fault == QueueFault.None)
            {
                LookAhead();
            }

            if (!HasAhead)
            {
                return TryPopAny(out chain);
            }
        }

        if (!TryTakeAhead(out chain))
        {
            return false;
        }

        _outstanding++;
        Advance(ref _nextAvailable, ref _availableWrap, 1);
        return true;
    }

    /// <inheritdoc/>
    private protected override void LookAhead()
    {
        BeginLooking();
        int position = _nextAvailable;
        bool wrap = _availableWrap;
        int count = Math.Min(Size - _outstanding, AheadRoom);
        for (int index = 0; index < count; index++)
        {
            int offset = position * DescriptorBytes;
            // Acquire: the rest of the descriptor is read after the flags (VIRTIO 1.4 §2.8.21).
            ushort flags = Volatile.Read(ref _ring.At<ushort>(offset + FlagsOffset));
            bool isSingle = (flags & (DescriptorFlags.Next | DescriptorFlags.Indirect)) == 0;
            if (!isSingle || !PackedFlags.IsAvailable(flags, wrap))
            {
                break;
            }

            // Copied once: the driver may change the ring while we look.
            PackedDescriptor descriptor = _ring.At<PackedDescriptor>(offset);
            bool isWritable = (flags & DescriptorFlags.Write) != 0;
            if (descriptor.Id >= Size || !TryLookAt(descriptor.Id, descriptor.Address, descriptor.Length, isWritable))
            {
                break;
            }

            Advance(ref position, ref wrap, 1);
        }

        EndLooking();
    }

    /// <inheritdoc/>
    private protected override void PassAhead(int count)
    {
        _outstanding += count;
        Advance(ref _nextAvailable, ref _availableWrap, count);
    }

    /// <summary>Takes the next chain, of whatever kind it is.</summary>
    private bool TryPopAny(out DescriptorChain chain)
    {
        chain = default;
        IsTranslationPending = false;
        if (Fault != QueueFault.None)
        {
            return false;
        }

        if (_inheritedTaken < _inherited.Length)
        {
            return TryPopInherited(_inflight!, out chain);
        }

        if (!IsAvailable() || !TryGather(out int count) || !TryTakeChain(count, out chain))
        {
            return false;
        }

        _inflight?.Take(chain.Head, _gathered.AsSpan(0, count));
        _outstanding += count;
        Advance(ref _nextAvailable, ref _availableWrap, count);
        return true;
    }

    /// <inheritdoc/>
    public override void SuppressKicks() => Ask(PackedEvents.Disable);

    /// <inheritdoc/>
    public override bool TryArmKicks()
    {
        if (Fault != QueueFault.None)
        {
            return true;
        }

        ResumeKicks();
        return IsTranslationPending || (_inheritedTaken == _inherited.Length && !IsAvailable());
    }

    /// <inheritdoc/>
    private protected override void WriteUsed(ushort head, uint writtenBytes, int descriptors, int chains)
    {
        _entries[_entryCount++] = new(_nextUsed * DescriptorBytes, WordOf(head, writtenBytes, _usedWrap));
        _passed += descriptors;
        Advance(ref _nextUsed, ref _usedWrap, descriptors);
    }

    /// <inheritdoc/>
    private protected override void WriteUsed(ReadOnlySpan<Ahead> chains, ReadOnlySpan<uint> writtenBytes)
    {
        Span<Entry> entries = _entries.AsSpan(_entryCount, chains.Length);
        int position = _nextUsed;
        bool wrap = _usedWrap;
        for (int index = 0; index < entries.Length; index++)
        {
            uint written = index < writtenBytes.Length ? writtenBytes[index] : 0;
            entries[index] = new(position * DescriptorBytes, WordOf(chains[index].Head, written, wrap));
            Advance(ref position, ref wrap, 1);
        }

        (_nextUsed, _usedWrap) = (position, wrap);
        _entryCount += chains.Length;
        _passed += chains.Length;
    }

    /// <inheritdoc/>
    private protected override bool PublishWritten()
    {
        // Seen by nobody before the flags of the first are.
        foreach (ref readonly Entry entry in _entries.AsSpan(1, _entryCount - 1))
        {
            // Length, id and flags in one store.
            _ring.At<Le64>(entry.Offset + LengthOffset) = entry.Word;
            Log?.MarkDescriptors(entry.Offset, DescriptorBytes);
        }

        Entry first = _entries[0];
        ref PackedDescriptor used = ref _ring.At<PackedDescriptor>(first.Offset);
        used.Id = (ushort)(first.Word >> IdShift & ushort.MaxValue);
        used.Length = (uint)(first.Word & uint.MaxValue);
        _inflight?.Prepare(_nextUsed, _usedWrap);
        // Release: the descriptors of this publication must be seen before the flags that show the first (VIRTIO 1.4 §2.8.15).
        Volatile.Write(ref _ring.At<ushort>(first.Offset + FlagsOffset), (ushort)(first.Word >> FlagsShift));
        _inflight?.Commit();
        Log?.MarkDescriptors(first.Offset, DescriptorBytes);
        _entryCount = 0;
        int passed = _passed;
        _outstanding -= passed;
        _passed = 0;

        // Full: the flags must be seen before we read whether the driver wants a call, else both sides sleep (§2.8.10).
        Interlocked.MemoryBarrier();
        // Acquire: offset and flags of the driver's request are read together.
        uint wanted = Volatile.Read(ref _driverEvents.At<uint>(0));
        return PackedEvents.IsWanted(wanted, HasEventIndex, _nextUsed, _usedWrap, passed, Size);
    }

    /// <summary>The second half of a used descriptor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong WordOf(ushort head, uint writtenBytes, bool wrap)
    {
        int flags = PackedFlags.Used(wrap) | (writtenBytes > 0 ? DescriptorFlags.Write : 0);
        return writtenBytes | (ulong)head << IdShift | (ulong)flags << FlagsShift;
    }

    /// <summary>Moves a position on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Advance(ref int position, ref bool wrap, int count)
    {
        position += count;
        if (position >= Size)
        {
            position -= Size;
            wrap = !wrap;
        }
    }

    private bool IsAvailable()
    {
        // Acquire: the rest of the descriptor, and the list it begins, are read after the flags (VIRTIO 1.4 §2.8.21).
        ushort flags = Volatile.Read(ref _ring.At<ushort>(_nextAvailable * DescriptorBytes + FlagsOffset));
        return PackedFlags.IsAvailable(flags, _availableWrap);
    }

    private void ResumeKicks()
    {
        Ask(HasEventIndex ? PackedEvents.At(_nextAvailable, _availableWrap) : PackedEvents.Enable);
        // Full: the request for a kick must be seen before we look at the ring again, else both sides sleep (§2.8.10).
        Interlocked.MemoryBarrier();
    }

    /// <summary>Tells the driver when to kick.</summary>
    private void Ask(uint word)
    {
        if (word != _asked)
        {
            _asked = word;
            // Release: written at once, so that an offset is never taken with the flags of another.
            Volatile.Write(ref _deviceEvents.At<uint>(0), word);
            Log?.MarkDevice(0, PackedEvents.LengthBytes);
        }
    }

    /// <summary>Copies the list of descriptors that begins at the next available one.</summary>
    private bool TryGather(out int count)
    {
        count = 0;
        int position = _nextAvailable;
        bool wrap = _availableWrap;
        while (true)
        {
            if (count == Size)
            {
                return Break(QueueFault.ChainTooLong);
            }

            if (count == _gathered.Length)
            {
                Array.Resize(ref _gathered, Math.Min(2 * count, Size));
            }

            // Copied once: the driver may change the ring while we look.
            PackedDescriptor descriptor = _ring.At<PackedDescriptor>(position * DescriptorBytes);
            if (!PackedFlags.IsAvailable(descriptor.Flags, wrap))
            {
                return Break(QueueFault.ListIncomplete);
            }

            _gathered[count++] = descriptor;
            if ((descriptor.Flags & DescriptorFlags.Next) == 0)
            {
                return _outstanding + count <= Size || Break(QueueFault.IndexJump);
            }

            Advance(ref position, ref wrap, 1);
        }
    }

    /// <summary>Goes on where a predecessor stopped.</summary>
    /// <returns>The chains it held.</returns>
    private ushort[] Inherit(PackedInflightLog inflight)
    {
        // Acquire: what the driver did with the descriptor decides whether the last publication was made.
        ushort flags = Volatile.Read(ref _ring.At<ushort>(inflight.UsedIndex * DescriptorBytes + FlagsOffset));
        ushort[] chains = inflight.Recover(flags);
        (_nextUsed, _usedWrap) = (inflight.UsedIndex, inflight.UsedWrap);
        (_nextAvailable, _availableWrap) = (_nextUsed, _usedWrap);
        var room = new PackedDescriptor[Size];
        foreach (ushort first in chains)
        {
            // What is neither used nor held was not taken. The state may be older than the crash.
            _outstanding += inflight.Read(first, room);
        }

        for (int index = 0; index < _outstanding; index++)
        {
            // A used descriptor behind the one that would have shown it was never published, and must not be taken for one.
            ref ushort stale = ref _ring.At<ushort>(_nextAvailable * DescriptorBytes + FlagsOffset);
            if (PackedFlags.IsUsed(stale, _availableWrap))
            {
                stale = PackedFlags.Available(_availableWrap);
            }

            Advance(ref _nextAvailable, ref _availableWrap, 1);
        }

        RequireCall();
        _gathered = room;
        return chains;
    }

    /// <summary>Takes a chain that a predecessor held; it is recorded already.</summary>
    private bool TryPopInherited(PackedInflightLog inflight, out DescriptorChain chain)
    {
        ushort first = _inherited[_inheritedTaken];
        int count = inflight.Read(first, _gathered);
        if (!TryTakeChain(count, out chain))
        {
            return false;
        }

        inflight.TakeAgain(chain.Head, first);
        _inheritedTaken++;
        return true;
    }

    private bool TryTakeChain(int count, out DescriptorChain chain)
    {
        chain = default;
        // The buffer id is that of the last descriptor in the list (§2.8.6).
        ushort head = _gathered[count - 1].Id;
        if (head >= Size)
        {
            return Break(QueueFault.DescriptorOutsideTable);
        }

        ReadOnlySpan<PackedDescriptor> descriptors = _gathered.AsSpan(0, count);
        if (
            !TryCollect(descriptors, out int readableCount, out uint readableBytes, out uint writableBytes)
            || !TryHold(head, writableBytes, count)
        )
        {
            return false;
        }

        chain = Present(head, readableCount, readableBytes, writableBytes);
        return true;
    }

    /// <summary>Checks a list of descriptors and collects its segments.</summary>
    private bool TryCollect(
        ReadOnlySpan<PackedDescriptor> descriptors,
        out int readableCount,
        out uint readableBytes,
        out uint writableBytes
    )
    {
        readableCount = 0;
        readableBytes = writableBytes = 0;
        ulong totalBytes = 0;
        bool hasWritable = false;
        bool isInTable = false;
        BeginCollecting();
        for (int index = 0; index < descriptors.Length; index++)
        {
            // A copy: an indirect table lies in guest memory.
            PackedDescriptor descriptor = descriptors[index];
            ushort flags = descriptor.Flags;
            if (!isInTable && (flags & DescriptorFlags.Indirect) != 0)
            {
                if (descriptors.Length > 1)
                {
                    return Break(QueueFault.IndirectNested);
                }

                if (!TryEnterTable(descriptor, out descriptors))
                {
                    return false;
                }

                isInTable = true;
                index = -1;
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
        }

        return !IsTranslationPending;
    }

    /// <summary>Checks and finds an indirect table (VIRTIO 1.4 §2.8.7); of flags, only write counts in there.</summary>
    private bool TryEnterTable(PackedDescriptor descriptor, out ReadOnlySpan<PackedDescriptor> table)
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

        table = Wire.Reinterpret<byte, PackedDescriptor>(segment.Bytes);
        return true;
    }

    /// <summary>A used descriptor that was not yet written.</summary>
    /// <param name="Offset">Where it goes, in bytes from the start of the ring.</param>
    /// <param name="Word">Its second half: how many bytes were written to the buffer, the buffer's id, and flags.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Entry(int Offset, ulong Word);
}
