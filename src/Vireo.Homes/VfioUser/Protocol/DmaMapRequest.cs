using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The payload of DMA_MAP.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DmaMapRequest
{
    /// <summary>Size of this structure.</summary>
    public uint ArgumentBytes;

    /// <summary>Bit 0: the device may read; bit 1: it may write.</summary>
    public uint Flags;

    /// <summary>Where in the file the memory begins.</summary>
    public ulong FileOffset;

    /// <summary>Address by which the device names it.</summary>
    public ulong Address;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;
}
