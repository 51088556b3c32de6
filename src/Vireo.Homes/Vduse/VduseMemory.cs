using Microsoft.Extensions.Logging;
using Vireo.Core.Memory;
using Vireo.Linux;
using Vireo.Linux.Memory;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>The memory of a VDUSE device's driver: asked for from the kernel where it is first touched, and mapped.</summary>
/// <remarks>
/// Behind virtio-vdpa these are the kernel's bounce buffers and the pages of the rings; behind vhost-vdpa the files of a guest's
/// memory. All loops look without a lock at what is mapped; a range that is not is asked for by whoever needs it. Mappings only go
/// away by <see cref="Forget"/>, while no queue runs.
/// <para>
/// Bounce buffers can be memory of this process instead: they are lent to the kernel when one of them is first touched, and taken back
/// before they go, which moves what is in them to pages of the kernel. A process that ends without that has it done by the kernel.
/// </para>
/// </remarks>
internal sealed class VduseMemory : GuestMemory, IDisposable
{
    /// <summary>How many mappings are kept at most; a guest has some tens.</summary>
    public const int MappingsMax = 4096;

    /// <summary>The largest bounce buffers a kernel has: 1 GiB.</summary>
    private const ulong BounceBytesMax = 1UL << 30;

    private readonly IVduseDevice _door;
    private readonly ILogger _log;
    private readonly bool _lends;
    private readonly Lock _changing = new();

    /// <summary>What is mapped, in any order; guarded by _changing.</summary>
    private readonly List<Entry> _entries = [];

    /// <summary>The same as memory; replaced as a whole.</summary>
    private volatile MappedMemory _known = new([]);

    /// <summary>Begins with nothing mapped.</summary>
    /// <param name="door">Finds mappings; stays the caller's.</param>
    /// <param name="log">Where it is said that memory cannot be mapped.</param>
    /// <param name="lends">Whether bounce buffers are to be memory of this process.</param>
    public VduseMemory(IVduseDevice door, ILogger log, bool lends = false)
    {
        _door = door;
        _log = log;
        _lends = lends;
    }

    /// <inheritdoc/>
    /// <remarks>The bus has no way to ask for one.</remarks>
    public override DirtyLog? DirtyLog => null;

    /// <summary>How many mappings there are.</summary>
    public int Count
    {
        get
        {
            lock (_changing)
            {
                return _entries.Count;
            }
        }
    }

    /// <inheritdoc/>
    public override Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    )
    {
        int before = segments.Count;
        while (_known.Translate(address, lengthBytes, access, segments) != Translation.Done)
        {
            segments.Truncate(before);
            if (!TryLearn(address.Value, lengthBytes))
            {
                return Translation.Refused;
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
        while (_known.TranslateContiguous(address, lengthBytes, access, out segment) != Translation.Done)
        {
            if (!TryLearn(address.Value, lengthBytes))
            {
                return Translation.Refused;
            }
        }

        return Translation.Done;
    }

    /// <inheritdoc/>
    public override MemoryAccess AccessOf(GuestAddress address) => _known.AccessOf(address);

    /// <inheritdoc/>
    public override Translation Resolve(GuestRange range, ICollection<GuestRange> ranges) =>
        _known.Resolve(range, ranges);

    /// <summary>Whether anything is mapped in a range.</summary>
    /// <param name="first">The first address.</param>
    /// <param name="last">The last address.</param>
    public bool Overlaps(ulong first, ulong last)
    {
        lock (_changing)
        {
            return FindOverlap(first, last) is not null;
        }
    }

    /// <summary>Unmaps whatever has an address of a range. No queue runs.</summary>
    /// <param name="first">The first address.</param>
    /// <param name="last">The last address.</param>
    public void Forget(ulong first, ulong last)
    {
        lock (_changing)
        {
            for (int index = _entries.Count - 1; index >= 0; index--)
            {
                if (_entries[index].Overlaps(first, last))
                {
                    TakeBack(_entries[index]);
                    _entries[index].Mapping.Dispose();
                    _entries.RemoveAt(index);
                }
            }

            Publish();
        }
    }

    /// <summary>Unmaps everything. No queue runs.</summary>
    public void Dispose() => Forget(0, ulong.MaxValue);

    /// <summary>Asks for the first part of a range that is not mapped.</summary>
    /// <returns>Whether something was mapped: looking once more is then worth it, and in the end there is nothing left to ask for.</returns>
    private bool TryLearn(ulong address, uint lengthBytes)
    {
        if (lengthBytes == 0 || lengthBytes - 1 > ulong.MaxValue - address)
        {
            return false;
        }

        ulong last = address + (lengthBytes - 1);
        lock (_changing)
        {
            ulong first = address;
            while (FindOverlap(first, first) is { } covering)
            {
                if (covering.Region.Last.Value >= last)
                {
                    return false;
                }

                first = covering.Region.Last.Value + 1;
            }

            return _entries.Count < MappingsMax && (TryAddOwn(first, last) || TryAdd(first, last));
        }
    }

    /// <summary>Lends memory to the kernel, if bounce buffers are what is asked for.</summary>
    private bool TryAddOwn(ulong first, ulong last)
    {
        if (
            !_lends
            || _door.TryFindRange(first, last) is not { TakesMemory: true } range
            || range.First > first
            || range.Last - range.First >= BounceBytesMax
            || FindOverlap(range.First, range.Last) is not null
        )
        {
            return false;
        }

        ulong length = range.Last - range.First + 1;
        MemoryMapping? mapping = null;
        try
        {
            mapping = MemoryMapping.MapAnonymous((nuint)length);
            _door.LendMemory(range, mapping.Address);
        }
        catch (LinuxException exception)
        {
            mapping?.Dispose();
            _log.MemoryIsNotLent(exception.Message);
            return false;
        }

        _entries.Add(new(mapping, new(new(range.First), length, mapping.Address), range));
        Publish();
        _log.MemoryIsLent(length);
        return true;
    }

    private void TakeBack(Entry entry)
    {
        if (entry.Lent is not { } range)
        {
            return;
        }

        try
        {
            _door.TakeMemoryBack(range);
        }
        catch (LinuxException exception)
        {
            // The kernel has its own hold on the pages, so they may go here.
            _log.MemoryStaysLent(exception.Message);
        }
    }

    private bool TryAdd(ulong first, ulong last)
    {
        using VduseMapping? found = _door.TryFindMapping(first, last);
        // One that begins further on leaves a hole, so that the range is not memory as a whole.
        if (
            found is null
            || found.First > first
            || found.Last < first
            || FindOverlap(found.First, found.Last) is not null
        )
        {
            return false;
        }

        if (TryMap(found) is not { } entry)
        {
            return false;
        }

        _entries.Add(entry);
        Publish();
        return true;
    }

    private Entry? TryMap(VduseMapping found)
    {
        ulong length = found.Last - found.First;
        if (length >= long.MaxValue || found.FileOffset > long.MaxValue - length - 1)
        {
            _log.MappingFailed($"{length} bytes and one more, at {found.FileOffset} of a file");
            return null;
        }

        length++;
        try
        {
            MappingAccess mode = found.IsWritable ? MappingAccess.ReadWrite : MappingAccess.Read;
            var mapping = MemoryMapping.Map(found.File, (long)found.FileOffset, (nuint)length, mode);
            MemoryAccess access =
                (found.IsReadable ? MemoryAccess.Read : MemoryAccess.None)
                | (found.IsWritable ? MemoryAccess.Write : MemoryAccess.None);
            return new(mapping, new(new(found.First), length, mapping.Address, access));
        }
        catch (LinuxException exception)
        {
            _log.MappingFailed(exception.Message);
            return null;
        }
    }

    private Entry? FindOverlap(ulong first, ulong last)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Overlaps(first, last))
            {
                return entry;
            }
        }

        return null;
    }

    private void Publish()
    {
        var regions = new MemoryRegion[_entries.Count];
        for (int index = 0; index < regions.Length; index++)
        {
            regions[index] = _entries[index].Region;
        }

        _known = new(regions);
    }

    /// <summary>One mapping of the kernel, mapped here; or memory that is lent to the kernel for a range.</summary>
    private sealed record Entry(MemoryMapping Mapping, MemoryRegion Region, VduseRange? Lent = null)
    {
        public bool Overlaps(ulong first, ulong last) => Region.Address.Value <= last && Region.Last.Value >= first;
    }
}
