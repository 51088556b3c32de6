using Vireo.Backends.Block.Filters;
using Vireo.Backends.Block.Raw;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Images;

/// <summary>A raw disk that was taken for one because it begins like no other format.</summary>
/// <remarks>
/// Whoever may write to it could make it begin like another one, with the name of any file of the host in it, and be shown that file when the
/// disk is next opened without a word about its format. So a write that would make it look like another format fails.
/// </remarks>
public sealed class ProbedRawDisk : FilterDisk, IDisposable
{
    /// <summary>Puts the check in front of a disk.</summary>
    /// <param name="inner">The disk; becomes this object's.</param>
    public ProbedRawDisk(IBlockBackend inner)
        : base(inner) { }

    /// <summary>The image behind the check, if it is a raw one of this host; stays this object's.</summary>
    public RawDisk? Raw => Inner as RawDisk;

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new ProbedRawChannel(Inner, queueIndex, tagCount, completions);

    /// <inheritdoc/>
    public void Dispose() => (Inner as IDisposable)?.Dispose();
}
