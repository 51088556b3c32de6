using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Memory;

/// <summary>The range of a file that a region of guest memory is a shared mapping of.</summary>
/// <remarks>
/// What a proxy needs to hand guest memory on to another process or to the kernel. As long as the region.
/// </remarks>
/// <param name="File">The file; stays its owner's, and open for as long as memory made from the region is used.</param>
/// <param name="OffsetBytes">Where in the file the region's first byte is.</param>
public sealed record MemoryBacking(SafeFileHandle File, ulong OffsetBytes);
