namespace Vireo.Core.Memory;

/// <summary>Guest memory that is mapped into this process in one or several regions.</summary>
public sealed class MappedMemory : GuestMemory
{
    /// <summary>The longest piece put into one segment, so that lengths fit in <see cref="int"/>: 1 GiB.</summary>
    private const ulong SegmentBytesMax = 1ul << 30;

    /// <summary>Regions by ascending address, none overlapping.</summary>
    private readonly MemoryRegion[] _regions;

    /// <summary>Makes memory of regions.</summary>
    /// <param name="regions">The regions, in any order; they must not overlap.</param>
    /// <param name="dirtyLog">Where writes are recorded, if they are.</param>
    /// <exception cref="ArgumentException">Two regions overlap; the message names them.</exception>
    public MappedMemory(ReadOnlySpan<MemoryRegion> regions, DirtyLog? dirtyLog = null)
    {
        _regions = regions.ToArray();
        DirtyLog = dirtyLog;
        Array.Sort(_regions, static (left, right) => left.Address.Value.CompareTo(right.Address.Value));
        for (int index = 1; index < _regions.Length; index++)
        {
            if (_regions[index].Address.Value <= _regions[index - 1].Last.Value)
            {
                throw new ArgumentException(
                    $"memory regions overlap: one ends at {_regions[index - 1].Last}, the next begins at {_regions[index].Address}"
                );
            }
        }
    }

    /// <inheritdoc/>
    public override DirtyLog? DirtyLog { get; }

    /// <summary>The regions by ascending address.</summary>
    public ReadOnlySpan<MemoryRegion> Regions => _regions;

    /// <inheritdoc/>
    public override Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    )
    {
        ulong position = address.Value;
        ulong left = lengthBytes;
        int index = left == 0 ? 0 : Find(position);
        while (left > 0)
        {
            if ((uint)index >= (uint)_regions.Length)
            {
                return Translation.Refused;
            }

            ref readonly MemoryRegion region = ref _regions[index];
            if (position < region.Address.Value || (region.Access & access) != access)
            {
                return Translation.Refused;
            }

            ulong offset = position - region.Address.Value;
            ulong piece = Math.Min(Math.Min(left, region.LengthBytes - offset), SegmentBytesMax);
            if (!segments.TryAdd(new(region.HostAddress + (nint)offset, (nuint)piece)))
            {
                return Translation.Refused;
            }

            left -= piece;
            if (left > 0)
            {
                // The next piece continues this region, or lies in the neighbour that begins right behind it.
                if (piece == region.LengthBytes - offset)
                {
                    index++;
                }

                if (position > ulong.MaxValue - piece)
                {
                    return Translation.Refused;
                }

                position += piece;
            }
        }

        return Translation.Done;
    }

    /// <inheritdoc/>
    public override Translation TranslateContiguous(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        out Segment segment
    )
    {
        segment = default;
        int index = Find(address.Value);
        if ((uint)index >= (uint)_regions.Length || lengthBytes == 0 || lengthBytes > SegmentBytesMax)
        {
            return Translation.Refused;
        }

        ref readonly MemoryRegion region = ref _regions[index];
        ulong offset = address.Value - region.Address.Value;
        if (region.LengthBytes - offset < lengthBytes || (region.Access & access) != access)
        {
            return Translation.Refused;
        }

        segment = new(region.HostAddress + (nint)offset, lengthBytes);
        return Translation.Done;
    }

    /// <inheritdoc/>
    public override MemoryAccess AccessOf(GuestAddress address)
    {
        int index = Find(address.Value);
        return (uint)index < (uint)_regions.Length ? _regions[index].Access : MemoryAccess.None;
    }

    /// <inheritdoc/>
    public override Translation Resolve(GuestRange range, ICollection<GuestRange> ranges)
    {
        ranges.Add(range);
        return Translation.Done;
    }

    /// <summary>The index of the region that holds an address, or the number of regions when none does.</summary>
    private int Find(ulong address)
    {
        int low = 0;
        int high = _regions.Length;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (_regions[middle].Last.Value < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low < _regions.Length && _regions[low].Address.Value <= address ? low : _regions.Length;
    }
}
