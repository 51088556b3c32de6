using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>A call of a channel as a value, so that it can be made later, or once more.</summary>
/// <param name="Kind">Which method.</param>
/// <param name="Tag">The request's name.</param>
/// <param name="Segments">Memory of a read or write.</param>
/// <param name="OffsetBytes">First byte on the disk.</param>
/// <param name="LengthBytes">Length in bytes.</param>
/// <param name="Flag">Stable for a write; may unmap for write zeroes.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ChannelCall(
    ChannelCallKind Kind,
    uint Tag,
    ArraySegment<Segment> Segments,
    long OffsetBytes,
    long LengthBytes,
    bool Flag
)
{
    /// <summary>Makes the call.</summary>
    public void MakeOn(IBlockChannel channel)
    {
        switch (Kind)
        {
            case ChannelCallKind.Read:
                channel.Read(Tag, Segments, OffsetBytes);
                break;
            case ChannelCallKind.Write:
                channel.Write(Tag, Segments, OffsetBytes, Flag);
                break;
            case ChannelCallKind.Flush:
                channel.Flush(Tag);
                break;
            case ChannelCallKind.Discard:
                channel.Discard(Tag, OffsetBytes, LengthBytes);
                break;
            case ChannelCallKind.WriteZeroes:
                channel.WriteZeroes(Tag, OffsetBytes, LengthBytes, Flag);
                break;
            default:
                channel.SecureErase(Tag, OffsetBytes, LengthBytes);
                break;
        }
    }
}
