using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>Makes zeroes, in the disk's cheapest way, of writes that consist of nothing else.</summary>
/// <remarks>
/// For images that are to stay small under guests that write zeroes where they could discard. Each write's memory is looked
/// at up to its first other byte. A write that has to be stable when it completes is written as it is.
/// </remarks>
public sealed class ZeroDetectingDisk : FilterDisk
{
    private readonly bool _mayUnmap;

    /// <summary>Puts the detection in front of a disk.</summary>
    /// <param name="inner">The disk; stays the caller's. One without write zeroes is used as it is.</param>
    /// <param name="mayUnmap">Whether the room of zeroes may be given back.</param>
    public ZeroDetectingDisk(IBlockBackend inner, bool mayUnmap)
        : base(inner) => _mayUnmap = mayUnmap;

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        Traits.WriteZeroes is { } limits
            ? new ZeroDetectingChannel(Inner, limits.LengthBytesMax, _mayUnmap, queueIndex, tagCount, completions)
            : Inner.OpenChannel(queueIndex, tagCount, completions);
}
