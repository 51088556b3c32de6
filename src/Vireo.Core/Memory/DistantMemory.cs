namespace Vireo.Core.Memory;

/// <summary>Memory of a driver of which this process holds only a part; the rest is reached by asking for copies (decision 0022).</summary>
/// <remarks>
/// As guest memory it is the mirror: the part that is mapped, and beside it ranges of this process' own that stand for what is not.
/// Whoever reads or writes such a range fetches it before, and gives it back after.
/// </remarks>
public sealed class DistantMemory : GuestMemory
{
    /// <summary>Puts the two parts together.</summary>
    /// <param name="near">What is mapped.</param>
    /// <param name="mirror">What is mapped, and ranges at the same addresses for what is not.</param>
    /// <param name="access">How the rest is reached.</param>
    public DistantMemory(GuestMemory near, GuestMemory mirror, IDistantAccess access)
    {
        Near = near;
        Mirror = mirror;
        Access = access;
    }

    /// <summary>What is mapped into this process.</summary>
    public GuestMemory Near { get; }

    /// <summary>All of it; what is not mapped is a copy that may be old.</summary>
    public GuestMemory Mirror { get; }

    /// <summary>How the rest is reached.</summary>
    public IDistantAccess Access { get; }

    /// <inheritdoc/>
    public override DirtyLog? DirtyLog => Mirror.DirtyLog;

    /// <inheritdoc/>
    public override Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    ) => Mirror.Translate(address, lengthBytes, access, segments);

    /// <inheritdoc/>
    public override Translation TranslateContiguous(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        out Segment segment
    ) => Mirror.TranslateContiguous(address, lengthBytes, access, out segment);

    /// <inheritdoc/>
    public override MemoryAccess AccessOf(GuestAddress address) => Mirror.AccessOf(address);

    /// <inheritdoc/>
    public override Translation Resolve(GuestRange range, ICollection<GuestRange> ranges) =>
        Mirror.Resolve(range, ranges);
}
