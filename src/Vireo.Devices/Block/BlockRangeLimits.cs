using System.Runtime.InteropServices;

namespace Vireo.Devices.Block;

/// <summary>What a backend takes as one range of a discard or write zeroes request.</summary>
/// <param name="LengthBytesMax">The longest range in bytes; at least one logical block.</param>
/// <param name="AlignmentBytes">Alignment that makes a range worth sending, in bytes; a hint, a multiple of 512.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BlockRangeLimits(long LengthBytesMax, int AlignmentBytes);
