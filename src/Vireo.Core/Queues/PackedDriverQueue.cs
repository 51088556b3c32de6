using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The driver side of a packed virtqueue (VIRTIO 1.4 §2.8).</summary>
/// <remarks>
/// An available descriptor shows itself by its own flags. To publish all that was added at once, the flags of the first one are held
/// back: the device looks at no other before it has seen that one.
/// </remarks>
internal sealed class PackedDriverQueue : DriverQueue
{
    private const int DescriptorBytes = 16;

    /// <summary>Byte offset of a descriptor's flags.</summary>
    private const int FlagsOffset = 14;

    private readonly ContiguousArea _ring;
    private readonly ContiguousArea _driverEvents;
    private readonly ContiguousArea _deviceEvents;
    private readonly DriverTables<PackedDescriptor>? _tables;

    /// <summary>Which id follows each free one.</summary>
    private readonly ushort[] _nextFreeId;

    /// <summary>The first free id, when there is one.</summary>
    private ushort _freeId;

    /// <summary>Where the next available descriptor will be written, and our wrap counter there.</summary>
    private int _nextAvailable;

    private bool _availableWrap = true;

    /// <summary>Where the next used descriptor will appear, and the device's wrap counter there.</summary>
    private int _nextUsed;

    private bool _usedWrap = true;

    /// <summary>How many descriptors were written since the last publication.</summary>
    private int _written;

    /// <summary>The position and the wrap counter as the device can know them.</summary>
    private int _publishedAvailable;

    private bool _publishedWrap = true;

    /// <summary>The flags that are held back; they belong to the descriptor at _publishedAvailable.</summary>
    private ushort _heldFlags;

    /// <summary>What we ask of the device now; written only when it changes.</summary>
    private uint _asked = PackedEvents.Enable;

    public PackedDriverQueue(in QueueAreas areas, GuestMemory memory, FeatureSet features, IndirectTables? tables)
        : base(areas.Size, features)
    {
        _nextFreeId = new ushort[areas.Size];
        for (int id = 0; id < _nextFreeId.Length; id++)
        {
            _nextFreeId[id] = (ushort)(id + 1);
        }

        _ring = Clear(memory, RingArea.Descriptors(in areas, MemoryAccess.ReadWrite));
        _driverEvents = Clear(memory, RingArea.DriverEvents(in areas, MemoryAccess.ReadWrite));
        _deviceEvents = Clear(memory, RingArea.DeviceEvents(in areas));
        if (tables is { } given)
        {
            _tables = new(memory, given, areas.Size);
            TableLength = _tables.Length;
        }
    }

    /// <inheritdoc/>
    public override NotificationData NotificationData(ushort queue) =>
        new(queue, (ushort)_publishedAvailable, _publishedWrap);

    /// <inheritdoc/>
    public override void SuppressCalls() => Ask(PackedEvents.Disable);

    /// <inheritdoc/>
    private protected override ushort Write(
        ReadOnlySpan<GuestRange> readable,
        ReadOnlySpan<GuestRange> writable,
        bool isIndirect,
        out ushort last
    )
    {
        ushort id = _freeId;
        _freeId = _nextFreeId[id];
        last = 0;
        if (isIndirect)
        {
            GuestRange table = WriteTable(id, readable, writable);
            WriteOne(id, in table, DescriptorFlags.Indirect, false);
            return id;
        }

        int left = readable.Length + writable.Length;
        foreach (ref readonly GuestRange range in readable)
        {
            WriteOne(id, in range, 0, --left > 0);
        }

        foreach (ref readonly GuestRange range in writable)
        {
            WriteOne(id, in range, DescriptorFlags.Write, --left > 0);
        }

        return id;
    }

    /// <inheritdoc/>
    private protected override bool PublishAdded()
    {
        // Release: all descriptors must be seen before the flags that show the first of them (VIRTIO 1.4 §2.8.21.1.1).
        Volatile.Write(ref _ring.At<ushort>(_publishedAvailable * DescriptorBytes + FlagsOffset), _heldFlags);
        int written = _written;
        _written = 0;
        _publishedAvailable = _nextAvailable;
        _publishedWrap = _availableWrap;

        // Full: the flags must be seen before we read whether the device wants a kick, else both sides sleep (§2.8.21.3.1).
        Interlocked.MemoryBarrier();
        // Acquire: offset and flags of the device's request are read together.
        uint wanted = Volatile.Read(ref _deviceEvents.At<uint>(0));
        return PackedEvents.IsWanted(wanted, HasEventIndex, _nextAvailable, _availableWrap, written, Size);
    }

    /// <inheritdoc/>
    private protected override bool TryReadUsed(out uint id, out uint writtenBytes, out int buffersMax)
    {
        id = writtenBytes = 0;
        // A batch ends with a buffer that the device was told of; that is all there is to say.
        buffersMax = int.MaxValue;
        if (!IsUsed())
        {
            return false;
        }

        // Copied once: the device may change the descriptor while we look.
        PackedDescriptor used = _ring.At<PackedDescriptor>(_nextUsed * DescriptorBytes);
        id = used.Id;
        // Without the write flag the length means nothing (§2.8.4).
        writtenBytes = (used.Flags & DescriptorFlags.Write) != 0 ? used.Length.Value : 0;
        return true;
    }

    /// <inheritdoc/>
    private protected override void Free(ushort id, ushort last, int descriptors)
    {
        _nextFreeId[id] = _freeId;
        _freeId = id;
        Advance(ref _nextUsed, ref _usedWrap, descriptors);
    }

    /// <inheritdoc/>
    private protected override bool ArmCalls()
    {
        Ask(HasEventIndex ? PackedEvents.At(_nextUsed, _usedWrap) : PackedEvents.Enable);
        // Full: the request for a call must be seen before we look at the ring again, else both sides sleep (§2.8.10).
        Interlocked.MemoryBarrier();
        return !IsUsed();
    }

    private static ContiguousArea Clear(GuestMemory memory, in RingArea area)
    {
        Segment segment = RingLocator.Locate(memory, in area);
        segment.Bytes.Clear();
        return new(segment);
    }

    /// <summary>Tells the device when to call.</summary>
    private void Ask(uint word)
    {
        if (word != _asked)
        {
            _asked = word;
            // Release: written at once, so that an offset is never taken with the flags of another.
            Volatile.Write(ref _driverEvents.At<uint>(0), word);
        }
    }

    private bool IsUsed()
    {
        // Acquire: the rest of the descriptor is read after the flags (VIRTIO 1.4 §2.8.22).
        ushort flags = Volatile.Read(ref _ring.At<ushort>(_nextUsed * DescriptorBytes + FlagsOffset));
        return IsAwaiting && PackedFlags.IsUsed(flags, _usedWrap);
    }

    /// <summary>Moves a position on.</summary>
    private void Advance(ref int position, ref bool wrap, int count)
    {
        position += count;
        if (position >= Size)
        {
            position -= Size;
            wrap = !wrap;
        }
    }

    /// <summary>Writes the next available descriptor, all but flags that have to be held back.</summary>
    private void WriteOne(ushort id, in GuestRange range, ushort flags, bool hasNext)
    {
        flags |= PackedFlags.Available(_availableWrap);
        if (hasNext)
        {
            flags |= DescriptorFlags.Next;
        }

        ref PackedDescriptor descriptor = ref _ring.At<PackedDescriptor>(_nextAvailable * DescriptorBytes);
        descriptor.Address = range.Address.Value;
        descriptor.Length = range.LengthBytes;
        descriptor.Id = id;
        if (_written++ == 0)
        {
            _heldFlags = flags;
        }
        else
        {
            // Seen by nobody before the held flags are.
            descriptor.Flags = flags;
        }

        Advance(ref _nextAvailable, ref _availableWrap, 1);
    }

    /// <summary>Writes the pieces of a buffer into the table of its id; of flags, only write means anything in there (§2.8.7).</summary>
    private GuestRange WriteTable(ushort id, ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        Span<PackedDescriptor> table = _tables!.Of(id, out GuestAddress address);
        int index = 0;
        foreach (ref readonly GuestRange range in readable)
        {
            table[index++] = new() { Address = range.Address.Value, Length = range.LengthBytes };
        }

        foreach (ref readonly GuestRange range in writable)
        {
            table[index++] = new()
            {
                Address = range.Address.Value,
                Length = range.LengthBytes,
                Flags = DescriptorFlags.Write,
            };
        }

        return new(address, 16 * (uint)index);
    }
}
