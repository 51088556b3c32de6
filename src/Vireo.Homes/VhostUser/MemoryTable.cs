using Vireo.Core.Memory;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>The regions of the driver's memory that the front-end shares.</summary>
internal sealed class MemoryTable : IDisposable
{
    /// <summary>How many regions there may be: what QEMU's largest guests use.</summary>
    public const int SlotsMax = 509;

    private readonly List<MemorySlot> _slots = [];

    /// <summary>How many regions there are.</summary>
    public int Count => _slots.Count;

    /// <summary>Takes regions in place of all there were. No queue runs.</summary>
    /// <param name="slots">The new regions; they become the table's, and are checked for overlaps by it.</param>
    /// <exception cref="ProtocolException">They overlap; the table is then as it was, and the regions are disposed.</exception>
    public void Replace(List<MemorySlot> slots)
    {
        for (int index = 0; index < slots.Count; index++)
        {
            if (FindOverlap(slots, index, slots[index].Description) is { } other)
            {
                DisposeAll(slots);
                throw Overlap(slots[index].Description, other);
            }
        }

        Clear();
        _slots.AddRange(slots);
    }

    /// <summary>Checks whether one more region would do, before it is mapped.</summary>
    /// <exception cref="ProtocolException">It overlaps another, or there are too many.</exception>
    public void CheckAdd(MemoryRegionDescription description)
    {
        if (_slots.Count == SlotsMax)
        {
            throw new ProtocolException($"there are {SlotsMax} memory regions already");
        }

        if (FindOverlap(_slots, _slots.Count, description) is { } other)
        {
            throw Overlap(description, other);
        }
    }

    /// <summary>Takes one more region. No queue runs.</summary>
    /// <param name="slot">The region; becomes the table's. It has passed <see cref="CheckAdd"/>.</param>
    public void Add(MemorySlot slot) => _slots.Add(slot);

    /// <summary>Finds the region that a message names.</summary>
    /// <exception cref="ProtocolException">There is none.</exception>
    public MemorySlot Find(MemoryRegionDescription description)
    {
        foreach (MemorySlot slot in _slots)
        {
            if (slot.IsNamedBy(description))
            {
                return slot;
            }
        }

        throw new ProtocolException(
            $"there is no memory region at {description.GuestAddress:x} with {description.LengthBytes:x} bytes, seen at "
                + $"{description.UserAddress:x} by the front-end"
        );
    }

    /// <summary>Gives up a region and unmaps it. No queue runs.</summary>
    public void Remove(MemorySlot slot)
    {
        _slots.Remove(slot);
        slot.Dispose();
    }

    /// <summary>Gives up all regions. No queue runs.</summary>
    public void Clear()
    {
        DisposeAll(_slots);
        _slots.Clear();
    }

    /// <summary>Has the pages that are missing supplied by who holds the descriptor, in all regions that are not watched yet.</summary>
    /// <exception cref="RefusalException">A region is not of a kind that can be watched.</exception>
    public void Watch(Userfault userfault)
    {
        foreach (MemorySlot slot in _slots)
        {
            slot.Watch(userfault);
        }
    }

    /// <summary>Translates an address of the front-end to one of the guest.</summary>
    /// <param name="userAddress">The address of the front-end.</param>
    /// <param name="address">The address in the guest.</param>
    /// <param name="lengthBytes">How far the region goes from there.</param>
    /// <returns>False when it is in no region.</returns>
    public bool TryTranslateUser(ulong userAddress, out GuestAddress address, out ulong lengthBytes)
    {
        foreach (MemorySlot slot in _slots)
        {
            MemoryRegionDescription region = slot.Description;
            // Regions do not wrap: an address below the first byte is outside, and so is one too far above it.
            if (userAddress >= region.UserAddress && userAddress - region.UserAddress < region.LengthBytes)
            {
                ulong offset = userAddress - region.UserAddress;
                address = new(region.GuestAddress + offset);
                lengthBytes = region.LengthBytes - offset;
                return true;
            }
        }

        address = default;
        lengthBytes = 0;
        return false;
    }

    /// <summary>Finds the region of a guest address.</summary>
    /// <inheritdoc cref="TryTranslateUser"/>
    public bool TryFindGuest(ulong guestAddress, out GuestAddress address, out ulong lengthBytes)
    {
        foreach (MemorySlot slot in _slots)
        {
            MemoryRegionDescription region = slot.Description;
            if (guestAddress >= region.GuestAddress && guestAddress - region.GuestAddress < region.LengthBytes)
            {
                address = new(guestAddress);
                lengthBytes = region.LengthBytes - (guestAddress - region.GuestAddress);
                return true;
            }
        }

        address = default;
        lengthBytes = 0;
        return false;
    }

    /// <summary>The regions as guest memory, which must not be used after the table has changed.</summary>
    /// <param name="log">Where writes are recorded, or null.</param>
    public MappedMemory ToGuestMemory(DirtyLog? log)
    {
        var regions = new MemoryRegion[_slots.Count];
        for (int index = 0; index < regions.Length; index++)
        {
            regions[index] = _slots[index].Region;
        }

        return new(regions, log);
    }

    /// <summary>Unmaps everything. No queue runs.</summary>
    public void Dispose() => Clear();

    private static MemorySlot? FindOverlap(List<MemorySlot> slots, int count, MemoryRegionDescription description)
    {
        for (int index = 0; index < count; index++)
        {
            if (slots[index].Overlaps(description))
            {
                return slots[index];
            }
        }

        return null;
    }

    private static void DisposeAll(List<MemorySlot> slots)
    {
        foreach (MemorySlot slot in slots)
        {
            slot.Dispose();
        }
    }

    private static ProtocolException Overlap(MemoryRegionDescription description, MemorySlot other) =>
        new(
            $"the memory region at {description.GuestAddress:x} overlaps the one at {other.Description.GuestAddress:x}, in the "
                + "guest or in the front-end"
        );
}
