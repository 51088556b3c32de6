using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The in-flight region of a split ring, version 1 (vhost-user, inflight I/O tracking).</summary>
/// <remarks>
/// A head is marked when it is taken. The heads of a publication are linked before the used index moves and unmarked after it, so
/// that a successor which finds the index moved and the region behind knows what to unmark.
/// </remarks>
internal sealed unsafe class SplitInflightLog : InflightLog
{
    private readonly Header* _header;
    private readonly Entry* _entries;
    private readonly ushort _size;

    // SAFETY: Check saw that the region has room for the header and one entry for each descriptor; the caller keeps it mapped.
    public SplitInflightLog(InflightRegion region, ushort size)
        : base(size)
    {
        Check(region, Bytes(size));
        _size = size;
        _header = (Header*)region.Address;
        _entries = (Entry*)(_header + 1);
    }

    /// <summary>The log of a region, if there is a region.</summary>
    public static SplitInflightLog? TryOpen(InflightRegion? region, ushort size) =>
        region is { } given ? new(given, size) : null;

    /// <summary>How many bytes a region has.</summary>
    /// <param name="size">Queue size in descriptors.</param>
    public static int Bytes(ushort size) => sizeof(Header) + sizeof(Entry) * size;

    /// <summary>Takes over the region.</summary>
    /// <param name="usedIndex">The used index that the ring shows.</param>
    /// <returns>The heads that a predecessor held, oldest first; empty when there was none.</returns>
    /// <exception cref="RingException">The region is not one for this queue.</exception>
    public ushort[] Recover(ushort usedIndex)
    {
        if (!IsInUse(_header->Version, _header->DescriptorCount, _size))
        {
            new Span<Entry>(_entries, _size).Clear();
            _header->Features = 0;
            _header->DescriptorCount = _size;
            _header->LastBatchHead = 0;
            _header->UsedIndex = usedIndex;
            // Release: the version says that all else is there.
            Volatile.Write(ref *(ushort*)&_header->Version, Version);
            return [];
        }

        FinishLastPublication(usedIndex);
        return CollectHeld();
    }

    /// <summary>A chain was taken.</summary>
    /// <param name="head">Its head, below the queue size.</param>
    public void Take(ushort head)
    {
        Entry* entry = _entries + head;
        entry->Counter = TakeCounter();
        // Release: an entry that is marked has its place in the order.
        Volatile.Write(ref entry->Inflight, 1);
    }

    /// <summary>The used index is about to move past all retired chains.</summary>
    public void Prepare()
    {
        foreach (ushort head in Retired)
        {
            _entries[head].Next = _header->LastBatchHead;
            // Release: the list must be whole for whoever finds its first entry.
            Volatile.Write(ref *(ushort*)&_header->LastBatchHead, head);
        }
    }

    /// <summary>The used index has moved past all retired chains.</summary>
    /// <param name="usedIndex">The used index that the ring shows now.</param>
    public void Commit(ushort usedIndex)
    {
        foreach (ushort head in Retired)
        {
            // Release: not before the used index moved, else nobody would ever tell the driver of the chain.
            Volatile.Write(ref _entries[head].Inflight, 0);
        }

        ForgetRetired();
        // Release: says that all of the publication is unmarked.
        Volatile.Write(ref *(ushort*)&_header->UsedIndex, usedIndex);
    }

    /// <summary>Unmarks what a predecessor gave back without coming to unmark it.</summary>
    private void FinishLastPublication(ushort usedIndex)
    {
        int count = new RingIndex(usedIndex) - new RingIndex(_header->UsedIndex);
        uint head = _header->LastBatchHead;
        // Bounded, and checked at each step: the other side may have written anything.
        for (int index = 0; index < Math.Min(count, (int)_size) && head < _size; index++)
        {
            _entries[head].Inflight = 0;
            head = _entries[head].Next;
        }

        // Release: says that all of the batch is unmarked.
        Volatile.Write(ref *(ushort*)&_header->UsedIndex, usedIndex);
    }

    private ushort[] CollectHeld()
    {
        List<(ulong Counter, ushort Head)> held = [];
        for (int head = 0; head < _size; head++)
        {
            if (_entries[head].Inflight != 0)
            {
                held.Add((_entries[head].Counter, (ushort)head));
            }
        }

        held.Sort();
        ushort[] heads = new ushort[held.Count];
        for (int index = 0; index < heads.Length; index++)
        {
            heads[index] = held[index].Head;
        }

        if (held.Count > 0)
        {
            ContinueAfter(held[^1].Counter);
        }

        return heads;
    }

    /// <summary><c>QueueRegionSplit</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        /// <summary>Zero in version 1.</summary>
        public Le64 Features;

        /// <summary>Zero when the region is new.</summary>
        public Le16 Version;

        public Le16 DescriptorCount;

        /// <summary>The head that was retired last; the others of its publication follow through Next.</summary>
        public Le16 LastBatchHead;

        /// <summary>The used index at which all entries were right.</summary>
        public Le16 UsedIndex;
    }

    /// <summary><c>DescStateSplit</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    private struct Entry
    {
        /// <summary>1 while the device holds the chain that begins here.</summary>
        [FieldOffset(0)]
        public byte Inflight;

        /// <summary>The head that was retired before this one.</summary>
        [FieldOffset(6)]
        public Le16 Next;

        /// <summary>Place in the order in which chains were taken.</summary>
        [FieldOffset(8)]
        public Le64 Counter;
    }
}
