namespace Vireo.Drivers;

/// <summary>Which ranges of a space are free: first fit, neighbours joined when they are given back.</summary>
/// <remarks>Control plane only; the list is as long as the space is fragmented. Used by one thread at a time.</remarks>
internal sealed class FreeRanges
{
    /// <summary>Free ranges by ascending start, none touching the next.</summary>
    private readonly List<(ulong Start, ulong Length)> _ranges = [];

    /// <summary>Makes a space that is entirely free.</summary>
    /// <param name="length">How many units it has.</param>
    public FreeRanges(ulong length) => _ranges.Add((0, length));

    /// <summary>Takes a range.</summary>
    /// <param name="length">How many units, at least 1.</param>
    /// <param name="alignment">What its start is a multiple of; a power of two.</param>
    /// <param name="start">Where it begins.</param>
    /// <returns>False when no free range is large enough.</returns>
    public bool TryTake(ulong length, ulong alignment, out ulong start)
    {
        for (int index = 0; index < _ranges.Count; index++)
        {
            (ulong freeStart, ulong freeLength) = _ranges[index];
            start = (freeStart + alignment - 1) & ~(alignment - 1);
            ulong lead = start - freeStart;
            if (lead <= freeLength && freeLength - lead >= length)
            {
                Cut(index, lead, length);
                return true;
            }
        }

        start = 0;
        return false;
    }

    /// <summary>Gives a range back.</summary>
    /// <exception cref="ArgumentException">Part of it is free already.</exception>
    public void Give(ulong start, ulong length)
    {
        int index = _ranges.FindIndex(range => range.Start > start);
        index = index < 0 ? _ranges.Count : index;
        bool overlapsNext = index < _ranges.Count && start + length > _ranges[index].Start;
        bool overlapsLast = index > 0 && _ranges[index - 1].Start + _ranges[index - 1].Length > start;
        if (overlapsNext || overlapsLast)
        {
            throw new ArgumentException("the buffer was given back before");
        }

        _ranges.Insert(index, (start, length));
        JoinWithNext(index);
        JoinWithNext(index - 1);
    }

    private void Cut(int index, ulong lead, ulong length)
    {
        (ulong start, ulong free) = _ranges[index];
        _ranges.RemoveAt(index);
        ulong tail = free - lead - length;
        if (tail > 0)
        {
            _ranges.Insert(index, (start + lead + length, tail));
        }

        if (lead > 0)
        {
            _ranges.Insert(index, (start, lead));
        }
    }

    private void JoinWithNext(int index)
    {
        if (index < 0 || index + 1 >= _ranges.Count)
        {
            return;
        }

        (ulong start, ulong length) = _ranges[index];
        (ulong nextStart, ulong nextLength) = _ranges[index + 1];
        if (start + length == nextStart)
        {
            _ranges[index] = (start, length + nextLength);
            _ranges.RemoveAt(index + 1);
        }
    }
}
