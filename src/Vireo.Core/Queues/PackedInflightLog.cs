using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The in-flight region of a packed ring, version 1 (vhost-user, inflight I/O tracking).</summary>
/// <remarks>
/// Used descriptors overwrite available ones, so the descriptors of each chain are copied here when it is taken. The copies
/// come from a free list whose head is recorded twice: while the two differ, a publication or the taking of a chain was under way,
/// and a successor finishes it or rolls it back. The list is also kept privately, because the other side may write to the region.
/// </remarks>
internal sealed unsafe class PackedInflightLog : InflightLog
{
    private readonly Header* _header;
    private readonly Entry* _entries;
    private readonly ushort _size;

    /// <summary>Which entry follows each one, in its chain or in the free list; _size ends the list.</summary>
    private readonly ushort[] _next;

    /// <summary>First and last entry of the chain with each head.</summary>
    private readonly ushort[] _firstByHead;

    private readonly ushort[] _lastByHead;

    /// <summary>First entry of the free list.</summary>
    private ushort _free;

    /// <summary>Where the next used descriptor is written, after the publication under way and before it.</summary>
    private Position _used;

    private Position _oldUsed;

    // SAFETY: Check saw that the region has room for the header and one entry for each descriptor; the caller keeps it mapped.
    // Entry numbers come from the private lists, which Recover checks.
    public PackedInflightLog(InflightRegion region, ushort size)
        : base(size)
    {
        Check(region, Bytes(size));
        _size = size;
        _header = (Header*)region.Address;
        _entries = (Entry*)(_header + 1);
        _next = new ushort[size];
        _firstByHead = new ushort[size];
        _lastByHead = new ushort[size];
    }

    /// <summary>
    /// Where the last publication of a predecessor began, and after <see cref="Recover"/> where the next begins; below the queue size.
    /// </summary>
    public int UsedIndex => _oldUsed.Index;

    /// <summary>The device's wrap counter there.</summary>
    public bool UsedWrap => _oldUsed.Wrap;

    /// <summary>The log of a region, if there is a region.</summary>
    public static PackedInflightLog? TryOpen(InflightRegion? region, ushort size) =>
        region is { } given ? new(given, size) : null;

    /// <summary>How many bytes a region has.</summary>
    /// <param name="size">Queue size in descriptors.</param>
    public static int Bytes(ushort size) => sizeof(Header) + sizeof(Entry) * size;

    /// <summary>Begins to take over the region.</summary>
    /// <param name="usedIndex">Where the queue would go on if the region is new.</param>
    /// <param name="usedWrap">The device's wrap counter there.</param>
    /// <returns>False when it is new: there is nothing to recover.</returns>
    /// <exception cref="RingException">The region is not one for this queue.</exception>
    public bool Open(int usedIndex, bool usedWrap)
    {
        if (!IsInUse(_header->Version, _header->DescriptorCount, _size))
        {
            Initialize((ushort)usedIndex, usedWrap);
            return false;
        }

        _used = new(_header->UsedIndex, _header->UsedWrap != 0);
        _oldUsed = new(_header->OldUsedIndex, _header->OldUsedWrap != 0);
        return _used.Index < _size && _oldUsed.Index < _size ? true : throw Damaged();
    }

    /// <summary>Takes over what a predecessor held.</summary>
    /// <param name="flags">The flags of the ring's descriptor at <see cref="UsedIndex"/>, as they are now.</param>
    /// <returns>First entries of the chains that the predecessor held, oldest first.</returns>
    /// <exception cref="RingException">The region contradicts itself.</exception>
    public ushort[] Recover(ushort flags)
    {
        // Both halves are compared: after a publication as long as the ring only the wrap counter differs.
        if (_used != _oldUsed && !PackedFlags.IsAvailable(flags, _oldUsed.Wrap))
        {
            // The ring shows the publication, so it took place.
            _free = _header->FreeHead;
            _oldUsed = _used;
        }
        else
        {
            _free = _header->OldFreeHead;
            _used = _oldUsed;
        }

        _header->FreeHead = _free;
        _header->OldFreeHead = _free;
        StoreUsed(_used, _oldUsed);
        bool[] isKnown = new bool[_size];
        AdoptFreeList(isKnown);
        return AdoptChains(isKnown);
    }

    /// <summary>Copies the descriptors of a chain that a predecessor held.</summary>
    /// <param name="first">The chain's first entry, as <see cref="Recover"/> named it.</param>
    /// <param name="destination">Receives the descriptors; has room for as many as the queue has.</param>
    /// <returns>How many there are.</returns>
    public int Read(ushort first, Span<PackedDescriptor> destination)
    {
        int count = 0;
        for (ushort index = first; index < _size && count < destination.Length; index = _next[index])
        {
            ref readonly Entry entry = ref _entries[index];
            destination[count++] = new()
            {
                Address = entry.Address,
                Length = entry.Length,
                Id = entry.Id,
                Flags = entry.Flags,
            };
        }

        return count;
    }

    /// <summary>A chain that a predecessor took was taken again.</summary>
    /// <param name="head">Its head, below the queue size.</param>
    /// <param name="first">Its first entry.</param>
    public void TakeAgain(ushort head, ushort first)
    {
        ushort last = first;
        while (_next[last] < _size)
        {
            last = _next[last];
        }

        _firstByHead[head] = first;
        _lastByHead[head] = last;
    }

    /// <summary>A chain was taken.</summary>
    /// <param name="head">Its head, below the queue size.</param>
    /// <param name="descriptors">Its descriptors in the ring; no more than are not in flight.</param>
    public void Take(ushort head, ReadOnlySpan<PackedDescriptor> descriptors)
    {
        ushort first = _free;
        ushort last = first;
        Entry* entry = _entries + first;
        entry->Count = 0;
        entry->Counter = TakeCounter();
        // Release: until the second free head moves, an entry marked here is on the free list, and its mark does not count.
        Volatile.Write(ref entry->Inflight, 1);
        foreach (ref readonly PackedDescriptor descriptor in descriptors)
        {
            last = _free;
            ref Entry copy = ref _entries[last];
            copy.Address = descriptor.Address;
            copy.Length = descriptor.Length;
            copy.Id = descriptor.Id;
            copy.Flags = descriptor.Flags;
            _free = _next[last];
        }

        entry->Last = last;
        entry->Count = (ushort)descriptors.Length;
        _header->FreeHead = _free;
        // Release: with this the chain is taken; all of it must be there.
        Volatile.Write(ref *(ushort*)&_header->OldFreeHead, _free);
        _firstByHead[head] = first;
        _lastByHead[head] = last;
    }

    /// <summary>The ring is about to show all retired chains as used.</summary>
    /// <param name="usedIndex">Where the next used descriptor will be written after them.</param>
    /// <param name="usedWrap">The device's wrap counter there.</param>
    public void Prepare(int usedIndex, bool usedWrap)
    {
        foreach (ushort head in Retired)
        {
            ushort last = _lastByHead[head];
            _next[last] = _free;
            _entries[last].Next = _free;
            _free = _firstByHead[head];
        }

        _header->FreeHead = _free;
        _used = new((ushort)usedIndex, usedWrap);
        StoreUsed(_used, _oldUsed);
    }

    /// <summary>The ring shows all retired chains as used.</summary>
    public void Commit()
    {
        foreach (ushort head in Retired)
        {
            // Release: not before the ring showed it, else nobody would ever tell the driver of the chain.
            Volatile.Write(ref _entries[_firstByHead[head]].Inflight, 0);
        }

        ForgetRetired();
        // Release: the free list grows once its entries are unmarked.
        Volatile.Write(ref *(ushort*)&_header->OldFreeHead, _free);
        _oldUsed = _used;
        StoreUsed(_used, _oldUsed);
    }

    /// <summary>Writes both used positions at once: a successor never finds an index with the other's wrap counter.</summary>
    private void StoreUsed(Position used, Position oldUsed)
    {
        ulong word =
            used.Index | (ulong)oldUsed.Index << 16 | (used.Wrap ? 1ul << 32 : 0) | (oldUsed.Wrap ? 1ul << 40 : 0);
        // Release: whoever sees these positions finds the free list and the marks that belong to them.
        Volatile.Write(ref *(ulong*)&_header->UsedIndex, word);
    }

    private void Initialize(ushort usedIndex, bool usedWrap)
    {
        new Span<Entry>(_entries, _size).Clear();
        for (int index = 0; index < _size; index++)
        {
            _next[index] = (ushort)(index + 1);
            _entries[index].Next = (ushort)(index + 1);
        }

        _free = 0;
        *_header = new() { DescriptorCount = _size };
        _used = _oldUsed = new(usedIndex, usedWrap);
        StoreUsed(_used, _oldUsed);
        // Release: the version says that all else is there.
        Volatile.Write(ref *(ushort*)&_header->Version, Version);
    }

    /// <summary>Takes over the free list, and unmarks what stands on it.</summary>
    private void AdoptFreeList(bool[] isKnown)
    {
        ushort index = _free;
        while (index < _size)
        {
            ushort next = Adopt(index, isKnown);
            _entries[index].Inflight = 0;
            _next[index] = next;
            index = next;
        }

        if (_free > _size)
        {
            _free = _size;
        }
    }

    /// <summary>Takes over the marked chains.</summary>
    /// <returns>Their first entries, by counter.</returns>
    private ushort[] AdoptChains(bool[] isKnown)
    {
        List<(ulong Counter, ushort First)> held = [];
        int known = 0;
        for (int first = 0; first < _size; first++)
        {
            if (!isKnown[first] && _entries[first].Inflight != 0)
            {
                held.Add((_entries[first].Counter, (ushort)first));
                AdoptChain((ushort)first, isKnown);
            }
        }

        foreach (bool isOne in isKnown)
        {
            known += isOne ? 1 : 0;
        }

        if (known != _size)
        {
            throw Damaged();
        }

        held.Sort();
        ushort[] firsts = new ushort[held.Count];
        for (int index = 0; index < firsts.Length; index++)
        {
            firsts[index] = held[index].First;
        }

        if (held.Count > 0)
        {
            ContinueAfter(held[^1].Counter);
        }

        return firsts;
    }

    private void AdoptChain(ushort first, bool[] isKnown)
    {
        int count = _entries[first].Count;
        ushort index = first;
        for (int done = 1; done <= count; done++)
        {
            if (index >= _size)
            {
                throw Damaged();
            }

            ushort next = Adopt(index, isKnown);
            _next[index] = done == count ? _size : next;
            index = next;
        }

        if (count == 0)
        {
            throw Damaged();
        }
    }

    /// <summary>Reads what follows an entry; no entry may be met twice.</summary>
    private ushort Adopt(ushort index, bool[] isKnown)
    {
        if (isKnown[index])
        {
            throw Damaged();
        }

        isKnown[index] = true;
        return _entries[index].Next;
    }

    private static RingException Damaged() => new("the in-flight region contradicts itself: reset the device");

    /// <summary>A place in the ring.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Position(ushort Index, bool Wrap);

    /// <summary><c>QueueRegionPacked</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    private struct Header
    {
        /// <summary>Zero in version 1.</summary>
        [FieldOffset(0)]
        public Le64 Features;

        /// <summary>Zero when the region is new.</summary>
        [FieldOffset(8)]
        public Le16 Version;

        [FieldOffset(10)]
        public Le16 DescriptorCount;

        [FieldOffset(12)]
        public Le16 FreeHead;

        [FieldOffset(14)]
        public Le16 OldFreeHead;

        [FieldOffset(16)]
        public Le16 UsedIndex;

        [FieldOffset(18)]
        public Le16 OldUsedIndex;

        [FieldOffset(20)]
        public byte UsedWrap;

        [FieldOffset(21)]
        public byte OldUsedWrap;
    }

    /// <summary><c>DescStatePacked</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    private struct Entry
    {
        /// <summary>1 while the device holds the chain that begins here.</summary>
        [FieldOffset(0)]
        public byte Inflight;

        /// <summary>The entry that follows, in the chain or in the free list.</summary>
        [FieldOffset(2)]
        public Le16 Next;

        /// <summary>In a chain's first entry: its last entry.</summary>
        [FieldOffset(4)]
        public Le16 Last;

        /// <summary>In a chain's first entry: how many entries it has.</summary>
        [FieldOffset(6)]
        public Le16 Count;

        /// <summary>In a chain's first entry: its place in the order in which chains were taken.</summary>
        [FieldOffset(8)]
        public Le64 Counter;

        [FieldOffset(16)]
        public Le16 Id;

        [FieldOffset(18)]
        public Le16 Flags;

        [FieldOffset(20)]
        public Le32 Length;

        [FieldOffset(24)]
        public Le64 Address;
    }
}
