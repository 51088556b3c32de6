using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>Event suppression of packed rings, the same in both directions (VIRTIO 1.4 §2.8.10).</summary>
/// <remarks>
/// A structure is read and written as one 32-bit word, so that offset and flags always belong together: offset and wrap
/// counter in the low half, flags in the high half.
/// </remarks>
internal static class PackedEvents
{
    /// <summary>Length of a structure in bytes.</summary>
    public const int LengthBytes = 4;

    /// <summary>Alignment of a structure in bytes.</summary>
    public const int Alignment = 4;

    /// <summary>Nothing is wanted.</summary>
    public const uint Disable = (uint)PackedEventSuppression.Disable << FlagsShift;

    /// <summary>Everything is wanted.</summary>
    public const uint Enable = (uint)PackedEventSuppression.Enable << FlagsShift;

    private const int FlagsShift = 16;
    private const uint FlagsMask = 3;
    private const uint OffsetMask = 0x7fff;
    private const int WrapShift = 15;

    /// <summary>A notification is wanted when a position is reached.</summary>
    /// <param name="position">The descriptor, below the queue size.</param>
    /// <param name="wrap">The wrap counter with which it will be written.</param>
    public static uint At(int position, bool wrap) =>
        (uint)position | (wrap ? 1u << WrapShift : 0) | (uint)PackedEventSuppression.Descriptor << FlagsShift;

    /// <summary>Whether the other side wants to be notified.</summary>
    /// <param name="word">Its event suppression structure.</param>
    /// <param name="hasEventIndex">Whether EVENT_IDX was negotiated; else there are no positions.</param>
    /// <param name="next">Where the next descriptor will be written.</param>
    /// <param name="wrap">The wrap counter with which it will be written.</param>
    /// <param name="moved">How many descriptors were passed since this was last asked.</param>
    /// <param name="size">Queue size.</param>
    public static bool IsWanted(uint word, bool hasEventIndex, int next, bool wrap, int moved, int size)
    {
        uint flags = word >> FlagsShift & FlagsMask;
        if (flags == PackedEventSuppression.Disable)
        {
            return false;
        }

        if (flags != PackedEventSuppression.Descriptor || !hasEventIndex)
        {
            // Enabled; and whoever writes what is reserved gets too many notifications rather than too few.
            return true;
        }

        int wanted = (int)(word & OffsetMask);
        if ((word >> WrapShift & 1) != 0 != wrap)
        {
            // A position of the round before.
            wanted -= size;
        }

        return wanted < next && wanted >= next - moved;
    }
}
