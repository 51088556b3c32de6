using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>The writable ranges of each chain in flight, kept only while the driver's memory is being migrated (decision 0002).</summary>
/// <remarks>Allocates until each head has met its longest chain, and then no more.</remarks>
internal sealed class DirtyRanges
{
    private readonly GuestMemory _memory;

    /// <summary>The ranges of the chain being collected.</summary>
    private readonly List<GuestRange> _collected = [];

    /// <summary>The ranges of each chain in flight, by head; the arrays are used again.</summary>
    private readonly GuestRange[]?[] _kept;

    private readonly int[] _keptCounts;

    public DirtyRanges(GuestMemory memory, int size)
    {
        _memory = memory;
        _kept = new GuestRange[]?[size];
        _keptCounts = new int[size];
    }

    /// <summary>A new chain is being collected.</summary>
    public void Begin() => _collected.Clear();

    /// <summary>Notes one writable range of the chain being collected.</summary>
    /// <returns>What came of finding out where the range lies in the log.</returns>
    public Translation Add(GuestAddress address, uint lengthBytes) =>
        _memory.Resolve(new(address, lengthBytes), _collected);

    /// <summary>Keeps the collected ranges until the chain is completed.</summary>
    public void Keep(ushort head)
    {
        GuestRange[]? ranges = _kept[head];
        if (ranges is null || ranges.Length < _collected.Count)
        {
            ranges = new GuestRange[_collected.Count];
            _kept[head] = ranges;
        }

        _collected.CopyTo(ranges);
        _keptCounts[head] = _collected.Count;
    }

    /// <summary>The chain has been written: marks its ranges.</summary>
    /// <remarks>
    /// All of them, whatever length the device reports: a device may write more than it reports (VIRTIO 1.4 §2.7.8.2), as when a
    /// read fails half way and only the status at the end counts. A page too many costs a copy, one too few a guest.
    /// </remarks>
    public void Mark(ushort head)
    {
        foreach (GuestRange range in _kept[head].AsSpan(0, _keptCounts[head]))
        {
            _memory.MarkDirty(range);
        }
    }
}
