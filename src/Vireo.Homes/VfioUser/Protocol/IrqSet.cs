using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What SET_IRQS begins with (<c>struct vfio_irq_set</c>); one byte for each interrupt may follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IrqSet
{
    /// <summary>Length of the payload in bytes.</summary>
    public uint ArgumentBytes;

    /// <summary>One kind of data and one action.</summary>
    public IrqSetFlags Flags;

    /// <summary>Which type of interrupt.</summary>
    public uint Index;

    /// <summary>The first interrupt of the type.</summary>
    public uint Start;

    /// <summary>How many.</summary>
    public uint Count;
}
