using System.Runtime.InteropServices;

namespace Vireo.Linux.Vhost;

/// <summary>Where a ring is, in the addresses that the device takes: this process' (kernel) or the driver's (vDPA).</summary>
/// <param name="Size">Descriptors.</param>
/// <param name="Descriptors">Address of the descriptor area.</param>
/// <param name="Driver">Address of the driver area.</param>
/// <param name="Device">Address of the device area.</param>
/// <param name="Position">Where to begin: the next available index of a split ring.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VhostRing(uint Size, ulong Descriptors, ulong Driver, ulong Device, uint Position);
