using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;

namespace Vireo.Homes.VfioUser;

/// <summary>The memory that a client has made known.</summary>
/// <remarks>Control thread. Ranges that are taken out are the caller's, who disposes them when no queue uses them any more.</remarks>
internal sealed class DmaTable
{
    /// <summary>By ascending address; none overlap.</summary>
    private readonly List<DmaRegion> _regions = [];

    /// <summary>How many ranges there are.</summary>
    public int Count => _regions.Count;

    /// <summary>Adds a range.</summary>
    /// <param name="request">What the client says of it.</param>
    /// <param name="file">The file of its memory, or null; becomes the table's, and is closed if refused.</param>
    /// <exception cref="RefusalException">It cannot be mapped, overlaps another, or there are too many.</exception>
    public DmaRegion Add(DmaMapRequest request, SafeFileHandle? file)
    {
        if (_regions.Count == Capabilities.DmaMapsMax)
        {
            file?.Dispose();
            throw new RefusalException(Errno.ENOSPC, $"there are {Capabilities.DmaMapsMax} ranges of memory already");
        }

        var region = DmaRegion.Create(request, file);
        int index = IndexOf(region.Address);
        bool overlaps =
            index < _regions.Count && _regions[index].Address <= region.Last
            || index > 0 && _regions[index - 1].Last >= region.Address;
        if (overlaps)
        {
            region.Dispose();
            throw new RefusalException(
                Errno.EEXIST,
                $"memory at 0x{region.Address:x} with 0x{region.LengthBytes:x} bytes overlaps what is there"
            );
        }

        _regions.Insert(index, region);
        return region;
    }

    /// <summary>Takes a range out.</summary>
    /// <param name="address">Address of its first byte.</param>
    /// <param name="lengthBytes">Its length; both as they were given.</param>
    /// <returns>The range; becomes the caller's.</returns>
    /// <exception cref="RefusalException">There is no such range.</exception>
    public DmaRegion Remove(ulong address, ulong lengthBytes)
    {
        int index = IndexOf(address);
        if (index == _regions.Count || _regions[index].Address != address || _regions[index].LengthBytes != lengthBytes)
        {
            throw new RefusalException(
                Errno.ENOENT,
                $"there is no memory at 0x{address:x} with 0x{lengthBytes:x} bytes"
            );
        }

        DmaRegion region = _regions[index];
        _regions.RemoveAt(index);
        return region;
    }

    /// <summary>Takes all ranges out.</summary>
    /// <returns>The ranges; become the caller's.</returns>
    public List<DmaRegion> RemoveAll()
    {
        List<DmaRegion> all = [.. _regions];
        _regions.Clear();
        return all;
    }

    /// <summary>What can be reached, as guest memory; must not be used after a range of it has been disposed.</summary>
    /// <param name="access">How ranges are reached that are not mapped.</param>
    /// <param name="log">Where writes are noted; null for nowhere.</param>
    public GuestMemory ToGuestMemory(IDistantAccess access, DirtyLog? log)
    {
        List<MemoryRegion> near = new(_regions.Count);
        List<MemoryRegion> all = new(_regions.Count);
        foreach (DmaRegion region in _regions)
        {
            if (region.IsReachable)
            {
                all.Add(region.Region);
            }

            if (region.IsMapped)
            {
                near.Add(region.Region);
            }
        }

        MappedMemory mapped = new(near.ToArray(), log);
        return near.Count == all.Count
            ? mapped
            : new DistantMemory(mapped, new MappedMemory(all.ToArray(), log), access);
    }

    /// <summary>How much of a range is of one kind from its beginning.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="lengthBytes">Length of the range, at least 1.</param>
    /// <param name="isDistant">Whether that much is memory that is not mapped.</param>
    /// <returns>How many bytes, at least 1.</returns>
    public uint PartAt(ulong address, uint lengthBytes, out bool isDistant)
    {
        if (Find(address) is not { } region)
        {
            isDistant = false;
            return lengthBytes;
        }

        isDistant = !region.IsMapped && region.IsReachable;
        ulong rest = region.Last - address;
        return rest < lengthBytes ? (uint)rest + 1 : lengthBytes;
    }

    /// <summary>Finds part of the mirror of a range that is not mapped.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="count">How many bytes.</param>
    /// <param name="bytes">The bytes.</param>
    /// <returns>False when there is no such range any more.</returns>
    public bool TryMirror(ulong address, int count, out Span<byte> bytes)
    {
        bytes = default;
        if (
            Find(address) is not { IsMapped: false, IsReachable: true } region
            || region.Last - address < (ulong)Math.Max(count, 1) - 1
        )
        {
            return false;
        }

        bytes = region.Mirror(address, count);
        return true;
    }

    private DmaRegion? Find(ulong address)
    {
        int index = IndexOf(address);
        if (index < _regions.Count && _regions[index].Address == address)
        {
            return _regions[index];
        }

        return index > 0 && _regions[index - 1].Last >= address ? _regions[index - 1] : null;
    }

    /// <summary>The first range at or behind an address.</summary>
    private int IndexOf(ulong address)
    {
        int low = 0;
        int high = _regions.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_regions[middle].Address < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
