using System.Runtime.InteropServices;

namespace Vireo.Devices.Block;

/// <summary>A checked range of a discard or write zeroes request.</summary>
/// <param name="OffsetBytes">First byte on the disk.</param>
/// <param name="LengthBytes">Length in bytes; may be 0.</param>
/// <param name="MayUnmap">Whether the storage behind it may be freed.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BlockRange(long OffsetBytes, long LengthBytes, bool MayUnmap);
