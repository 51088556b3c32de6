using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What GET_REGION_IO_FDS begins with, both ways; in the answer, sub-regions follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RegionIoFds
{
    /// <summary>The longest answer the client takes; in the answer, the length of the whole one.</summary>
    public uint ArgumentBytes;

    /// <summary>Zero.</summary>
    public uint Flags;

    /// <summary>Which region.</summary>
    public uint Index;

    /// <summary>How many sub-regions there are.</summary>
    public uint Count;
}
