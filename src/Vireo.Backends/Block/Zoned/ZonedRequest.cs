using System.Runtime.InteropServices;
using Vireo.Backends.Block.Filters;
using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Zoned;

/// <summary>What a zoned channel keeps of a request on its way.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct ZonedRequest
{
    /// <summary>What the request does at present.</summary>
    public ZonedStep Step;

    /// <summary>The call, for reads and writes.</summary>
    public ChannelCall Call;

    /// <summary>Bytes of a read that were ever written.</summary>
    public long WrittenBytes;

    /// <summary>Where an append goes, or what is being forgotten for a reset.</summary>
    public long OffsetBytes;

    /// <summary>How much is still to be forgotten of the zone being reset.</summary>
    public long RemainingBytes;

    /// <summary>The zone being reset.</summary>
    public int Zone;

    /// <summary>The last zone to reset.</summary>
    public int LastZone;

    /// <summary>Whether the disk behind is to erase what it forgets.</summary>
    public bool IsSecure;

    /// <summary>Whether the disk behind owes a result.</summary>
    public bool IsWaiting;

    /// <summary>Whether it is being called.</summary>
    public bool IsSubmitting;

    /// <summary>How the last step ended.</summary>
    public BlockResult Result;

    /// <summary>Fills with zeroes what a read has found behind the write pointer.</summary>
    public readonly void ClearUnwritten()
    {
        long skip = WrittenBytes;
        foreach (ref readonly Segment segment in Call.Segments.AsSpan())
        {
            int keep = (int)Math.Min(skip, segment.Length);
            segment.Bytes[keep..].Clear();
            skip -= keep;
        }
    }
}
