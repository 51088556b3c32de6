using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>What a table of memory regions begins with; the regions follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MemoryTableHeader
{
    /// <summary>How many regions follow.</summary>
    public uint Count;

    /// <summary>Unused.</summary>
    public uint Padding;
}
