using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost;

/// <summary>A driver's memory as vhost devices are told of it.</summary>
internal static class VhostMemory
{
    /// <summary>The regions.</summary>
    /// <exception cref="DeviceException">The memory is not made of regions, because a translation stands in front of it or it is reached by messages.</exception>
    public static VhostRegion[] RegionsOf(GuestMemory memory)
    {
        if (memory is not MappedMemory mapped)
        {
            throw new DeviceException(
                "the driver's memory is translated or not mapped here, which cannot be handed on to a vhost device"
            );
        }

        var regions = new VhostRegion[mapped.Regions.Length];
        for (int index = 0; index < regions.Length; index++)
        {
            MemoryRegion region = mapped.Regions[index];
            bool isWritable = region.Access.HasFlag(MemoryAccess.Write);
            regions[index] = new(region.Address.Value, region.LengthBytes, region.HostAddress, isWritable);
        }

        return regions;
    }

    /// <summary>Where an area of a ring is mapped in this process.</summary>
    /// <exception cref="DeviceException">It is not, or in several pieces.</exception>
    public static ulong HostAddressOf(GuestMemory memory, GuestAddress address, int lengthBytes, string area)
    {
        Translation outcome = memory.TranslateContiguous(
            address,
            (uint)lengthBytes,
            MemoryAccess.Read,
            out Segment segment
        );
        return outcome == Translation.Done
            ? (ulong)segment.Address
            : throw new DeviceException($"the {area} at {address} is not in memory, or in several pieces");
    }
}
