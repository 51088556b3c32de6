using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What REGION_READ and REGION_WRITE begin with, and their answers; data may follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RegionAccess
{
    /// <summary>First byte in the region.</summary>
    public ulong Offset;

    /// <summary>Which region.</summary>
    public uint Region;

    /// <summary>How many bytes.</summary>
    public uint Count;
}
