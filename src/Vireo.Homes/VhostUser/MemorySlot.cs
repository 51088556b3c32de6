using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>One region of the driver's memory, mapped into this process until it is disposed.</summary>
internal sealed class MemorySlot : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly GuardedMapping _mapping;
    private readonly MemoryAccess _access;

    /// <summary>Whether somebody supplies the pages that are missing.</summary>
    private bool _isWatched;

    private MemorySlot(
        MemoryRegionDescription description,
        SafeFileHandle file,
        GuardedMapping mapping,
        MemoryAccess access
    )
    {
        Description = description;
        _file = file;
        _mapping = mapping;
        _access = access;
    }

    /// <summary>What the front-end said of it.</summary>
    public MemoryRegionDescription Description { get; }

    /// <summary>The region as guest memory knows it.</summary>
    public MemoryRegion Region =>
        new(new(Description.GuestAddress), Description.LengthBytes, _mapping.Address, _access)
        {
            // Kept open, because a device that is somebody else's has to be handed the file.
            Backing = new(_file, Description.FileOffset),
        };

    /// <summary>What the front-end said of it, with the address of its first byte in this process in place of the front-end's own.</summary>
    public MemoryRegionDescription DescriptionHere
    {
        get
        {
            MemoryRegionDescription here = Description;
            here.UserAddress = (ulong)_mapping.Address;
            return here;
        }
    }

    /// <summary>Has pages that are missing supplied by who holds the descriptor; nothing of the region was touched yet.</summary>
    /// <exception cref="RefusalException">The memory is not of a kind that can be watched.</exception>
    public void Watch(Userfault userfault)
    {
        if (_isWatched)
        {
            return;
        }

        try
        {
            userfault.Register(_mapping.Mapping);
            _isWatched = true;
        }
        catch (LinuxException exception)
        {
            throw new RefusalException(
                $"the pages of the memory region at {Description.GuestAddress:x} cannot be supplied later: {exception.Message}",
                exception
            );
        }
    }

    /// <summary>Checks a region and maps it.</summary>
    /// <param name="description">What the front-end says of it.</param>
    /// <param name="file">The file of its memory; becomes the slot's, and is closed if refused.</param>
    /// <param name="alarm">Hears of it when the file is made shorter.</param>
    /// <exception cref="ProtocolException">The region is empty or wraps.</exception>
    /// <exception cref="RefusalException">It cannot be mapped: the file is too short, not memory, or there is no room.</exception>
    public static MemorySlot Map(MemoryRegionDescription description, SafeFileHandle file, CutAlarm alarm)
    {
        try
        {
            Check(description);
            return MapBestEffort(description, file, alarm);
        }
        catch (LinuxException exception)
        {
            file.Dispose();
            throw new RefusalException(
                $"the memory region at {description.GuestAddress:x} cannot be mapped: {exception.Message}",
                exception
            );
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether two regions overlap in the guest or in the front-end.</summary>
    public bool Overlaps(MemoryRegionDescription other) =>
        Overlaps(Description.GuestAddress, other.GuestAddress, other.LengthBytes)
        || Overlaps(Description.UserAddress, other.UserAddress, other.LengthBytes);

    /// <summary>Whether a message means this region: the file offset does not count.</summary>
    public bool IsNamedBy(MemoryRegionDescription other) =>
        other.GuestAddress == Description.GuestAddress
        && other.UserAddress == Description.UserAddress
        && other.LengthBytes == Description.LengthBytes;

    /// <summary>Unmaps the region; no queue uses it any more.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
    }

    private static void Check(MemoryRegionDescription description)
    {
        if (description.LengthBytes == 0)
        {
            throw new ProtocolException($"the memory region at {description.GuestAddress:x} is empty");
        }

        ulong last = description.LengthBytes - 1;
        if (
            last > ulong.MaxValue - description.GuestAddress
            || last > ulong.MaxValue - description.UserAddress
            || description.LengthBytes > long.MaxValue
            || description.FileOffset > long.MaxValue - description.LengthBytes
        )
        {
            throw new ProtocolException(
                $"the memory region at {description.GuestAddress:x} with {description.LengthBytes:x} bytes wraps"
            );
        }
    }

    private static MemorySlot MapBestEffort(MemoryRegionDescription description, SafeFileHandle file, CutAlarm alarm)
    {
        try
        {
            return Map(description, file, MemoryAccess.ReadWrite, alarm);
        }
        catch (LinuxException exception) when (exception.Error is Errno.EACCES or Errno.EPERM)
        {
            // Read-only memory, such as a ROM or a file sealed against writing, can still be read by the device.
            return Map(description, file, MemoryAccess.Read, alarm);
        }
    }

    private static MemorySlot Map(
        MemoryRegionDescription description,
        SafeFileHandle file,
        MemoryAccess access,
        CutAlarm alarm
    )
    {
        MappingAccess pages = access == MemoryAccess.ReadWrite ? MappingAccess.ReadWrite : MappingAccess.Read;
        var mapping = MemoryMapping.Map(
            file,
            (long)description.FileOffset,
            (nuint)description.LengthBytes,
            pages,
            MappingOptions.NoReserve
        );
        return new(description, file, alarm.Guard(file, mapping), access);
    }

    private bool Overlaps(ulong ours, ulong theirs, ulong theirLength) =>
        ours <= theirs ? theirs - ours < Description.LengthBytes : ours - theirs < theirLength;
}
