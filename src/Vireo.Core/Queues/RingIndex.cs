namespace Vireo.Core.Queues;

/// <summary>A 16-bit ring index that counts up and wraps at 65536 (VIRTIO 1.4 §2.7.6).</summary>
/// <remarks>The only place where the code computes with wrapping; everywhere else arithmetic is checked.</remarks>
/// <param name="Value">The index.</param>
internal readonly record struct RingIndex(ushort Value)
{
    /// <summary>The index a number of entries further on.</summary>
    public static RingIndex operator +(RingIndex index, int count) => new(unchecked((ushort)(index.Value + count)));

    /// <summary>How many entries lie from <paramref name="right"/> up to <paramref name="left"/>.</summary>
    public static ushort operator -(RingIndex left, RingIndex right) => unchecked((ushort)(left.Value - right.Value));

    /// <summary>The index of the next entry.</summary>
    public static RingIndex operator ++(RingIndex index) => index + 1;

    /// <summary>The slot of this index in a ring whose size is a power of two.</summary>
    /// <param name="mask">Ring size less 1.</param>
    public int Slot(int mask) => Value & mask;

    /// <summary>Whether a move of an index from <paramref name="from"/> to <paramref name="to"/> passed an event index.</summary>
    /// <param name="eventIndex">The index after which the other side asked to be notified.</param>
    /// <param name="to">The index now.</param>
    /// <param name="from">The index at the last check.</param>
    public static bool Passed(RingIndex eventIndex, RingIndex to, RingIndex from) =>
        (ushort)(to + -1 - eventIndex) < (ushort)(to - from);
}
