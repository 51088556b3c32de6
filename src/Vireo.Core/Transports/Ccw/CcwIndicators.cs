using Vireo.Core.Memory;

namespace Vireo.Core.Transports.Ccw;

/// <summary>Where the driver looks for what has happened (VIRTIO 1.4 §4.3.2.6). Immutable: the loops of queues read it.</summary>
internal sealed record CcwIndicators
{
    /// <summary>Bits that one byte holds.</summary>
    private const int BitsPerByte = 8;

    /// <summary>Classic queue indicators: the address of 64 bits.</summary>
    public GuestAddress? Queues { get; init; }

    /// <summary>Indicators of configuration changes: the address of 64 bits.</summary>
    public GuestAddress? Config { get; init; }

    /// <summary>Two-stage indicators: the address of the first queue's byte.</summary>
    public GuestAddress? Adapter { get; init; }

    /// <summary>Two-stage indicators: bit number of the first queue, counted from <see cref="Adapter"/>.</summary>
    public ulong AdapterBit { get; init; }

    /// <summary>Two-stage indicators: address of the summary byte.</summary>
    public GuestAddress Summary { get; init; }

    /// <summary>Two-stage indicators: the subclass of their interrupt.</summary>
    public byte Subclass { get; init; }

    /// <summary>The byte and the mask of a bit of a big-endian 64-bit number, counted from its least significant one.</summary>
    public static (GuestAddress Address, byte Mask) BitOf(GuestAddress number, int bit) =>
        (new(number.Value + (ulong)(sizeof(ulong) - 1 - bit / BitsPerByte)), (byte)(1 << bit % BitsPerByte));

    /// <summary>The byte and the mask of a queue's two-stage indicator; bits are counted from the left.</summary>
    /// <param name="index">Which queue.</param>
    public (GuestAddress Address, byte Mask) AdapterBitOf(int index)
    {
        ulong bit = AdapterBit + (ulong)index;
        return (new(Adapter!.Value.Value + bit / BitsPerByte), (byte)(0x80 >> (int)(bit % BitsPerByte)));
    }
}
