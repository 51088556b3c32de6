using System.Runtime.InteropServices;

namespace Vireo.Devices.Block;

/// <summary>A zone as a report shows it; all numbers are sectors of 512 bytes.</summary>
/// <param name="StartSector">Its first sector.</param>
/// <param name="CapacitySectors">How many of its sectors can be written.</param>
/// <param name="WritePointerSector">Where the next write goes; of no meaning where the state has no write pointer.</param>
/// <param name="Type">Its kind.</param>
/// <param name="State">Its state.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BlockZone(
    long StartSector,
    long CapacitySectors,
    long WritePointerSector,
    BlockZoneType Type,
    BlockZoneState State
);
