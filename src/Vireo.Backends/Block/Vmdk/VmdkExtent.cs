using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vmdk;

/// <summary>A part of a VMware disk: a range of a plain file, zeroes, or a sparse file of its own.</summary>
/// <param name="LengthBytes">Length of the part.</param>
/// <param name="File">Its file; null for zeroes.</param>
/// <param name="Start">Where a plain part begins in its file.</param>
/// <param name="Sparse">How a sparse part is laid out; null for a plain one.</param>
internal sealed record VmdkExtent(long LengthBytes, ImageFile? File, long Start, VmdkSparse? Sparse) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => File?.Dispose();
}
