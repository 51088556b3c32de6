using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The payload of GET_IRQ_INFO, both ways (<c>struct vfio_irq_info</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IrqInfo
{
    /// <summary>The longest answer the client takes; in the answer, its length.</summary>
    public uint ArgumentBytes;

    /// <summary>Bit 0: by eventfd; bit 1: can be masked; bit 2: masks itself; bit 3: is set up as a whole.</summary>
    public uint Flags;

    /// <summary>Which type.</summary>
    public uint Index;

    /// <summary>How many interrupts of this type there are.</summary>
    public uint Count;
}
