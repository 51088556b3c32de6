using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>Remembers on which pair the driver sent each flow, to receive what comes back on the same one (VIRTIO 1.4 §5.1.6.5.5).</summary>
/// <remarks>
/// A table of a fixed size: flows that fall onto one place share it, which costs order between queues at worst. All queues of a device
/// that steers run on one loop, so nobody else touches it.
/// </remarks>
internal sealed class NetFlowTable
{
    private const int Places = 4096;

    private readonly ushort[] _pairs = new ushort[Places];

    /// <summary>Notes that the driver sent a packet.</summary>
    /// <param name="head">The first bytes of the frame, a private copy.</param>
    /// <param name="pair">The pair it was sent on.</param>
    public void Note(ReadOnlySpan<byte> head, int pair) => _pairs[PlaceOf(head)] = (ushort)pair;

    /// <summary>The pair for a packet from the network.</summary>
    /// <param name="head">The first bytes of the frame, a private copy.</param>
    public int Find(ReadOnlySpan<byte> head) => _pairs[PlaceOf(head)];

    /// <summary>Forgets all flows.</summary>
    public void Clear() => Array.Clear(_pairs);

    /// <summary>The same for both directions of a flow.</summary>
    private static int PlaceOf(ReadOnlySpan<byte> head)
    {
        var layout = NetLayout.Of(head);
        uint sum = 0;
        if (layout.IpVersion != 0)
        {
            int addresses = layout.NetworkOffset + (layout.IpVersion == 4 ? 12 : 8);
            int bytes = layout.IpVersion == 4 ? 8 : 32;
            sum = AddWords(head.Slice(addresses, bytes)) ^ layout.Protocol;
            sum ^= layout.IsTcp || layout.IsUdp ? SumPorts(head[layout.TransportOffset..]) : 0;
        }

        // Any odd constant spreads neighbours apart; the upper bits of the product are the good ones.
        return (int)((ulong)sum * 0x9e37_79b1 >> 20 & (Places - 1));
    }

    private static uint AddWords(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (; bytes.Length >= sizeof(uint); bytes = bytes[sizeof(uint)..])
        {
            sum ^= BinaryPrimitives.ReadUInt32BigEndian(bytes);
        }

        return sum;
    }

    private static uint SumPorts(ReadOnlySpan<byte> transport)
    {
        uint source = BinaryPrimitives.ReadUInt16BigEndian(transport);
        uint destination = BinaryPrimitives.ReadUInt16BigEndian(transport[sizeof(ushort)..]);
        return (source ^ destination) << 16 | (source + destination) & ushort.MaxValue;
    }
}
