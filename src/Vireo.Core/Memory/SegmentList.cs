namespace Vireo.Core.Memory;

/// <summary>A growable list of segments that a queue fills anew for each chain.</summary>
/// <remarks>
/// Grows to the longest chain it has met, up to <see cref="GuestMemory.SegmentsMax"/>, and keeps that room: in steady
/// state nothing is allocated. Used by one thread.
/// </remarks>
public sealed class SegmentList
{
    /// <summary>Room for the segments of a usual chain.</summary>
    private const int CapacityAtStart = 64;

    private Segment[] _items;

    /// <summary>Makes an empty list.</summary>
    /// <param name="capacity">How many segments to make room for.</param>
    public SegmentList(int capacity = CapacityAtStart) => _items = new Segment[capacity];

    /// <summary>How many segments the list holds.</summary>
    public int Count { get; private set; }

    /// <summary>The segments, valid until the list changes.</summary>
    public ReadOnlySpan<Segment> Items => _items.AsSpan(0, Count);

    /// <summary>Forgets all segments.</summary>
    public void Clear() => Count = 0;

    /// <summary>Forgets the segments past the first <paramref name="count"/>.</summary>
    /// <param name="count">How many to keep, at most <see cref="Count"/>.</param>
    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)Count);
        Count = count;
    }

    /// <summary>Appends a segment.</summary>
    /// <returns>False when the list holds <see cref="GuestMemory.SegmentsMax"/> segments already.</returns>
    public bool TryAdd(Segment segment)
    {
        if (Count == _items.Length && !TryGrow())
        {
            return false;
        }

        _items[Count++] = segment;
        return true;
    }

    private bool TryGrow()
    {
        if (_items.Length >= GuestMemory.SegmentsMax)
        {
            return false;
        }

        Array.Resize(ref _items, Math.Min(GuestMemory.SegmentsMax, Math.Max(CapacityAtStart, _items.Length * 2)));
        return true;
    }
}
