using System.Runtime.InteropServices;

namespace Vireo.Core.Queues;

/// <summary>The three areas of a ring, found in this process.</summary>
/// <param name="Descriptors">Descriptor table, or packed descriptor ring.</param>
/// <param name="Driver">Available ring, or the driver's event suppression.</param>
/// <param name="Device">Used ring, or the device's event suppression.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RingAreas<TArea>(TArea Descriptors, TArea Driver, TArea Device)
    where TArea : struct, IRingArea;
