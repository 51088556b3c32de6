using System.Runtime.InteropServices;

namespace Vireo.Core.Contract;

/// <summary>A range of a shared memory region.</summary>
/// <param name="RegionId">Which region of the device.</param>
/// <param name="OffsetBytes">First byte in the region; aligned to pages.</param>
/// <param name="LengthBytes">Length in bytes; whole pages.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SharedRange(byte RegionId, ulong OffsetBytes, ulong LengthBytes);
