using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Null;

/// <summary>Answers every request during the call.</summary>
internal sealed class NullChannel(IBlockCompletions completions, bool zeroesReads) : IBlockChannel
{
    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes)
    {
        if (zeroesReads)
        {
            foreach (ref readonly Segment segment in destination.AsSpan())
            {
                segment.Bytes.Clear();
            }
        }

        completions.Complete(tag, BlockResult.Done);
    }

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void Flush(uint tag) => completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes) => completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap) =>
        completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void BeginStop() { }

    /// <inheritdoc/>
    public void Dispose() { }
}
