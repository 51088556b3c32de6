using System.Runtime.InteropServices;

namespace Vireo.Linux.Vduse;

/// <summary>Where a queue stands: the next available entry, and for packed rings the rest.</summary>
/// <param name="IsPacked">Whether the ring is packed.</param>
/// <param name="AvailableIndex">The next available entry (split) or descriptor (packed).</param>
/// <param name="AvailableWrap">Packed: the driver's wrap counter there.</param>
/// <param name="UsedIndex">Packed: the next used descriptor.</param>
/// <param name="UsedWrap">Packed: the device's wrap counter there.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VdusePosition(
    bool IsPacked,
    ushort AvailableIndex,
    bool AvailableWrap = true,
    ushort UsedIndex = 0,
    bool UsedWrap = true
);
