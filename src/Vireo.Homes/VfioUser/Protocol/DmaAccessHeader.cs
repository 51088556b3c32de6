using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What DMA_READ and DMA_WRITE begin with, and their answers; data may follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DmaAccessHeader
{
    /// <summary>Address by which the device names the first byte.</summary>
    public ulong Address;

    /// <summary>How many bytes.</summary>
    public ulong Count;
}
