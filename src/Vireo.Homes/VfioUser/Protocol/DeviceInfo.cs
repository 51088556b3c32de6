using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The payload of GET_INFO, both ways (<c>struct vfio_device_info</c> without its capabilities).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DeviceInfo
{
    /// <summary>The longest answer the client takes; in the answer, its length.</summary>
    public uint ArgumentBytes;

    /// <summary>Bit 0: can be reset; bit 1: is a PCI function.</summary>
    public uint Flags;

    /// <summary>How many regions there are.</summary>
    public uint RegionCount;

    /// <summary>How many interrupt types there are.</summary>
    public uint IrqCount;
}
