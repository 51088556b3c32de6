using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The payload of GET_REGION_INFO, both ways (<c>struct vfio_region_info</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RegionInfo
{
    /// <summary>The longest answer the client takes; in the answer, its length.</summary>
    public uint ArgumentBytes;

    /// <summary>Bit 0: can be read; bit 1: can be written; bit 2: can be mapped; bit 3: has capabilities.</summary>
    public uint Flags;

    /// <summary>Which region.</summary>
    public uint Index;

    /// <summary>Where capabilities begin.</summary>
    public uint CapabilityOffset;

    /// <summary>Length of the region in bytes; 0 for one that is not there.</summary>
    public ulong LengthBytes;

    /// <summary>Where in the file the region begins, if it can be mapped.</summary>
    public ulong FileOffset;
}
