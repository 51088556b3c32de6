using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>A channel in front of another: every call comes to one place, every completion to another.</summary>
internal abstract class FilterChannel : IBlockChannel, IBlockCompletions
{
    private protected FilterChannel(IBlockBackend disk, int queueIndex, int tagCount, IBlockCompletions completions)
    {
        Completions = completions;
        Inner = disk.OpenChannel(queueIndex, tagCount, this);
    }

    /// <summary>The channel behind this one.</summary>
    private protected IBlockChannel Inner { get; }

    /// <summary>Told of the ends of requests.</summary>
    private protected IBlockCompletions Completions { get; }

    /// <inheritdoc/>
    public void UseMemory(GuestMemory memory) => Inner.UseMemory(memory);

    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes) =>
        Begin(new(ChannelCallKind.Read, tag, destination, offsetBytes, LengthOf(destination), Flag: false));

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        Begin(new(ChannelCallKind.Write, tag, source, offsetBytes, LengthOf(source), isStable));

    /// <inheritdoc/>
    public void Flush(uint tag) => Begin(new(ChannelCallKind.Flush, tag, default, 0, 0, Flag: false));

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes) =>
        Begin(new(ChannelCallKind.Discard, tag, default, offsetBytes, lengthBytes, Flag: false));

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap) =>
        Begin(new(ChannelCallKind.WriteZeroes, tag, default, offsetBytes, lengthBytes, mayUnmap));

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        Begin(new(ChannelCallKind.SecureErase, tag, default, offsetBytes, lengthBytes, Flag: false));

    /// <inheritdoc/>
    public abstract void BeginStop();

    /// <inheritdoc/>
    public virtual void Complete(uint tag, BlockResult result) => Completions.Complete(tag, result);

    /// <inheritdoc/>
    public virtual void Dispose() => Inner.Dispose();

    /// <summary>A request was made.</summary>
    private protected abstract void Begin(in ChannelCall call);

    private protected static long LengthOf(ArraySegment<Segment> segments)
    {
        long length = 0;
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            length += segment.Length;
        }

        return length;
    }
}
