using Vireo.Core.Queues;

namespace Vireo.Homes.VhostUser;

/// <summary>Where a ring stands, as one number in messages (vhost-user, vring descriptor index and indices).</summary>
/// <remarks>
/// Split: the next available index. Packed: bits 0 to 14 the next available descriptor, 15 its wrap counter, 16 to 30 the next
/// used descriptor, 31 its wrap counter.
/// </remarks>
internal static class RingPosition
{
    private const int UsedShift = 16;
    private const uint IndexMask = 0x7fff;
    private const uint Wrap = 0x8000;

    /// <summary>
    /// What DPDK's driver says of a packed ring that is new: where it takes, and nothing of where it writes. Taken by its word that would
    /// be a ring whose every descriptor is in flight, and what it is given back would be invisible.
    /// </summary>
    private const uint FreshByHalf = Wrap;

    /// <summary>Reads the number.</summary>
    public static QueueState Decode(uint number, bool isPacked)
    {
        if (!isPacked)
        {
            return QueueState.Fresh with { AvailableIndex = (ushort)(number & ushort.MaxValue) };
        }

        if (number == FreshByHalf)
        {
            return QueueState.Fresh;
        }

        uint used = number >> UsedShift;
        return new((ushort)(number & IndexMask), (ushort)(used & IndexMask), (number & Wrap) != 0, (used & Wrap) != 0);
    }

    /// <summary>Writes the number.</summary>
    public static uint Encode(QueueState state, bool isPacked)
    {
        if (!isPacked)
        {
            return state.AvailableIndex;
        }

        uint available = state.AvailableIndex | (state.AvailableWrap ? Wrap : 0);
        uint used = state.UsedIndex | (state.UsedWrap ? Wrap : 0);
        return available | used << UsedShift;
    }
}
