using System.Runtime.InteropServices;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Zoned;

/// <summary>What is remembered of a zone.</summary>
/// <param name="WrittenSectors">How many sectors from its start were written.</param>
/// <param name="State">Its state.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ZoneRecord(long WrittenSectors, BlockZoneState State);
