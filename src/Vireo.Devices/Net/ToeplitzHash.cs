using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>The Toeplitz hash with one key (VIRTIO 1.4 §5.1.6.4.3).</summary>
/// <remarks>
/// For each bit of the input that is set, the 32 bits of the key that begin at the same place are added without carry. A table of all
/// values of all bytes makes that one look-up for each byte. Immutable; any thread.
/// </remarks>
internal sealed class ToeplitzHash
{
    /// <summary>Length of the longest key that is used, in bytes: the longest input and 32 bits.</summary>
    public const int KeyBytesMax = InputBytesMax + sizeof(uint);

    /// <summary>Two addresses of IPv6 and two ports.</summary>
    private const int InputBytesMax = 36;

    private const int ByteValues = 256;

    private readonly uint[] _table = new uint[InputBytesMax * ByteValues];

    /// <summary>Makes the table for a key.</summary>
    /// <param name="key">The key, at most <see cref="KeyBytesMax"/> bytes; a shorter one is filled up with zeroes.</param>
    public ToeplitzHash(ReadOnlySpan<byte> key)
    {
        Span<byte> whole = stackalloc byte[KeyBytesMax + sizeof(uint)];
        whole.Clear();
        key.CopyTo(whole);
        for (int position = 0; position < InputBytesMax; position++)
        {
            ulong window = BinaryPrimitives.ReadUInt64BigEndian(whole[position..]);
            for (int value = 1; value < ByteValues; value++)
            {
                uint sum = 0;
                for (int bit = 0; bit < 8; bit++)
                {
                    bool isSet = (value >> (7 - bit) & 1) != 0;
                    sum ^= isSet ? (uint)(window << bit >> 32) : 0;
                }

                _table[position * ByteValues + value] = sum;
            }
        }
    }

    /// <summary>Calculates a hash.</summary>
    /// <param name="addresses">The addresses, as they stand in the header: 8 or 32 bytes.</param>
    /// <param name="ports">The ports, as they stand in the header: 4 bytes, or none.</param>
    public uint Compute(ReadOnlySpan<byte> addresses, ReadOnlySpan<byte> ports) =>
        Add(addresses, 0) ^ Add(ports, addresses.Length);

    private uint Add(ReadOnlySpan<byte> bytes, int position)
    {
        uint sum = 0;
        foreach (byte value in bytes)
        {
            sum ^= _table[position * ByteValues + value];
            position++;
        }

        return sum;
    }
}
