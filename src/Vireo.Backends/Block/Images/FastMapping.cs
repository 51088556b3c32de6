using System.Runtime.InteropServices;

namespace Vireo.Backends.Block.Images;

/// <summary>Where the first bytes of a range are, as far as can be told without waiting.</summary>
/// <param name="Kind">What was found.</param>
/// <param name="LengthBytes">For how many bytes that holds; 0 when nothing was found.</param>
/// <param name="FileOffset">Where they begin in the file.</param>
/// <param name="Token">To be given to <see cref="DiskImage.EndAccess"/> when the transfer has ended.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FastMapping(FastKind Kind, long LengthBytes = 0, long FileOffset = 0, int Token = 0);
