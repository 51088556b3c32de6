using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>Looks at what one queue writes.</summary>
internal sealed class ZeroDetectingChannel(
    IBlockBackend inner,
    long lengthBytesMax,
    bool mayUnmap,
    int queueIndex,
    int tagCount,
    IBlockCompletions completions
) : FilterChannel(inner, queueIndex, tagCount, completions)
{
    /// <inheritdoc/>
    public override void BeginStop() => Inner.BeginStop();

    /// <inheritdoc/>
    private protected override void Begin(in ChannelCall call)
    {
        // The flag of a write asks for stability, which zeroes do not promise.
        bool isCandidate = call is { Kind: ChannelCallKind.Write, Flag: false } && call.LengthBytes <= lengthBytesMax;
        if (isCandidate && IsZero(call.Segments))
        {
            Inner.WriteZeroes(call.Tag, call.OffsetBytes, call.LengthBytes, mayUnmap);
        }
        else
        {
            call.MakeOn(Inner);
        }
    }

    /// <summary>Whether memory holds nothing but zeroes; a driver that changes it meanwhile decides about its own data only.</summary>
    private static bool IsZero(ArraySegment<Segment> segments)
    {
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            if (segment.Bytes.ContainsAnyExcept((byte)0))
            {
                return false;
            }
        }

        return true;
    }
}
