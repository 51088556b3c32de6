using System.Runtime.InteropServices;

namespace Vireo.Backends.Block.Images;

/// <summary>A range of a disk whose bytes are all in the same kind of place, one after the other.</summary>
/// <param name="Kind">What kind of place.</param>
/// <param name="LengthBytes">Length of the range, at least 1.</param>
/// <param name="FileOffset">Where it begins in the image's file; -1 where that has no meaning. Zeroes, and what is not allocated, may have a place of their own.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ImageExtent(ExtentKind Kind, long LengthBytes, long FileOffset = -1);
