using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>The Internet checksum (RFC 1071).</summary>
internal static class NetChecksum
{
    /// <summary>Where the checksum stands in a UDP header.</summary>
    private const int UdpChecksumOffset = 6;

    /// <summary>Completes a partial checksum: the sum from its start to the end of the frame, the field itself included.</summary>
    /// <param name="frame">The whole frame, in private memory.</param>
    /// <param name="header">What is to be done; has been checked against the frame.</param>
    public static void Complete(Span<byte> frame, NetHeader header)
    {
        int start = header.ChecksumStart;
        int field = start + header.ChecksumOffset;
        ushort sum = Finish(Sum(frame[start..]));
        // A UDP checksum of zero would mean that there is none.
        bool isUdp = header.ChecksumOffset == UdpChecksumOffset;
        BinaryPrimitives.WriteUInt16BigEndian(frame[field..], sum == 0 && isUdp ? ushort.MaxValue : sum);
    }

    /// <summary>The sum of 16-bit words, not folded; an odd last byte counts as the upper half of a word.</summary>
    /// <param name="bytes">At most 64 KiB and a few bytes.</param>
    public static ulong Sum(ReadOnlySpan<byte> bytes)
    {
        // Sums of 32-bit words in the machine's order fold to the same as those of 16-bit words in the network's, swapped.
        ulong sum = 0;
        while (bytes.Length >= sizeof(ulong))
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            sum += (word & uint.MaxValue) + (word >> 32);
            bytes = bytes[sizeof(ulong)..];
        }

        for (; bytes.Length >= sizeof(ushort); bytes = bytes[sizeof(ushort)..])
        {
            sum += BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        }

        return bytes.IsEmpty ? sum : sum + bytes[0];
    }

    /// <summary>The sum of the pseudo header of TCP and UDP.</summary>
    /// <param name="addresses">Source and destination, as they stand in the IP header.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="lengthBytes">Length of header and payload.</param>
    public static ulong SumPseudoHeader(ReadOnlySpan<byte> addresses, byte protocol, int lengthBytes) =>
        Sum(addresses)
        + BinaryPrimitives.ReverseEndianness((ushort)protocol)
        + BinaryPrimitives.ReverseEndianness((ushort)(lengthBytes & ushort.MaxValue))
        + BinaryPrimitives.ReverseEndianness((ushort)(lengthBytes >> 16));

    /// <summary>Folds a sum and complements it.</summary>
    /// <returns>The checksum as a number, to be written big-endian.</returns>
    public static ushort Finish(ulong sum)
    {
        while (sum >> 16 != 0)
        {
            sum = (sum & ushort.MaxValue) + (sum >> 16);
        }

        return BinaryPrimitives.ReverseEndianness((ushort)(sum ^ ushort.MaxValue));
    }
}
