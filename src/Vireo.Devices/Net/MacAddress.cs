using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Vireo.Devices.Net;

/// <summary>An Ethernet address.</summary>
/// <param name="Value">The six bytes as a number, the first byte the most significant: below 2^48.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct MacAddress(ulong Value)
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 6;

    private const ulong GroupBit = 1ul << 40;
    private const ulong LocalBit = 2ul << 40;

    /// <summary>The address of everybody.</summary>
    public static MacAddress Broadcast => new(0xffff_ffff_ffff);

    /// <summary>Whether it names a group, everybody included.</summary>
    public bool IsGroup => (Value & GroupBit) != 0;

    /// <summary>Whether it names everybody.</summary>
    public bool IsBroadcast => Value == Broadcast.Value;

    /// <summary>Whether an interface may have it: neither a group nor all zeroes.</summary>
    public bool IsUsable => !IsGroup && Value != 0;

    /// <summary>Reads an address as it stands in a frame.</summary>
    /// <param name="source">At least six bytes.</param>
    public static MacAddress Read(ReadOnlySpan<byte> source) =>
        new(
            (ulong)BinaryPrimitives.ReadUInt32BigEndian(source) << 16
                | BinaryPrimitives.ReadUInt16BigEndian(source[4..])
        );

    /// <summary>Writes the address as it stands in a frame.</summary>
    /// <param name="destination">At least six bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)(Value >> 16));
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], (ushort)(Value & 0xffff));
    }

    /// <summary>Makes a locally administered address out of a number.</summary>
    /// <param name="number">Any number; its lower 40 bits are used.</param>
    public static MacAddress Local(ulong number) => new(number & 0xff_ffff_ffff | LocalBit);

    /// <summary>Reads an address as people write it: <c>52:54:00:12:34:56</c>.</summary>
    /// <param name="text">Six pairs of hexadecimal digits with colons or dashes between them.</param>
    /// <param name="address">The address.</param>
    /// <returns>False when the text is no address.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, out MacAddress address)
    {
        address = default;
        const int TextLength = 3 * LengthBytes - 1;
        if (text is not { Length: TextLength })
        {
            return false;
        }

        ulong value = 0;
        for (int at = 0; at < TextLength; at += 3)
        {
            bool isPair = byte.TryParse(text.AsSpan(at, 2), NumberStyles.AllowHexSpecifier, null, out byte part);
            if (!isPair || (at + 2 < TextLength && text[at + 2] is not (':' or '-')))
            {
                return false;
            }

            value = value << 8 | part;
        }

        address = new(value);
        return true;
    }

    /// <summary>The address as people write it.</summary>
    public override string ToString()
    {
        string digits = Value.ToString("x12", CultureInfo.InvariantCulture);
        return string.Join(':', digits[..2], digits[2..4], digits[4..6], digits[6..8], digits[8..10], digits[10..]);
    }
}
