using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A message about one memory region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SingleMemoryRegion
{
    /// <summary>Unused.</summary>
    public ulong Padding;

    /// <summary>The region.</summary>
    public MemoryRegionDescription Region;
}
