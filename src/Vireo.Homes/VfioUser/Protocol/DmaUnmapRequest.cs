using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The payload of DMA_UNMAP, and of its answer.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DmaUnmapRequest
{
    /// <summary>The longest answer the client takes, in bytes.</summary>
    public uint ArgumentBytes;

    /// <summary>Bit 1: everything there is, whatever address and length say.</summary>
    public uint Flags;

    /// <summary>Address of the first byte.</summary>
    public ulong Address;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;
}
