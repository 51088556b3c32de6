namespace Vireo.Backends.Block.Nbd;

/// <summary>What a server has agreed to.</summary>
/// <param name="LengthBytes">Size of the export.</param>
/// <param name="Flags">What can be done with it.</param>
/// <param name="BlockBytesMin">What requests have to be aligned to: a power of two.</param>
/// <param name="BlockBytesPreferred">What is best; a power of two, at least the former.</param>
/// <param name="PayloadBytesMax">The most that one request may read or write.</param>
/// <param name="IsStructured">Whether reads are answered in chunks.</param>
/// <param name="AllocationContext">The number of the context that tells what is allocated; null when the server does not tell.</param>
internal sealed record NbdExport(
    long LengthBytes,
    NbdExportFlags Flags,
    int BlockBytesMin,
    int BlockBytesPreferred,
    int PayloadBytesMax,
    bool IsStructured,
    uint? AllocationContext
)
{
    /// <summary>Whether a disk that was opened with another one can go on with this one.</summary>
    public bool CanReplace(NbdExport other) =>
        LengthBytes == other.LengthBytes
        && BlockBytesMin <= other.BlockBytesMin
        && PayloadBytesMax >= other.PayloadBytesMax
        && (Flags & NbdExportFlags.ReadOnly) <= (other.Flags & NbdExportFlags.ReadOnly)
        && (Flags & Abilities) == ((Flags | other.Flags) & Abilities)
        && IsStructured == other.IsStructured
        && AllocationContext is null == other.AllocationContext is null;

    private const NbdExportFlags Abilities =
        NbdExportFlags.Flush | NbdExportFlags.Fua | NbdExportFlags.Trim | NbdExportFlags.WriteZeroes;
}
