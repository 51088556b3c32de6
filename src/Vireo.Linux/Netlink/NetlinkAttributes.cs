using System.Runtime.InteropServices;
using System.Text;
using Vireo.Linux.Native;

namespace Vireo.Linux.Netlink;

/// <summary>The attributes of a netlink message: numbered values one after the other, in any order.</summary>
/// <remarks>Lengths are checked; what follows one that lies is not looked at.</remarks>
public sealed class NetlinkAttributes
{
    /// <summary>Attributes begin at multiples of this many bytes.</summary>
    private const int Alignment = 4;

    /// <summary>Size of <c>struct nlattr</c>.</summary>
    private const int HeaderBytes = 4;

    /// <summary>What stands beside the number of an attribute.</summary>
    private const int Flags = LibC.NLA_F_NESTED | LibC.NLA_F_NET_BYTEORDER;

    private readonly byte[] _bytes;

    internal NetlinkAttributes(ReadOnlySpan<byte> bytes) => _bytes = bytes.ToArray();

    /// <summary>Finds an attribute.</summary>
    /// <param name="type">Its number.</param>
    /// <param name="value">Its bytes.</param>
    /// <returns>False when it is not there.</returns>
    public bool TryFind(ushort type, out ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> rest = _bytes;
        while (rest.Length >= HeaderBytes)
        {
            nlattr attribute = MemoryMarshal.Read<nlattr>(rest);
            if (attribute.nla_len < HeaderBytes || attribute.nla_len > rest.Length)
            {
                break;
            }

            if ((attribute.nla_type & ~Flags) == type)
            {
                value = rest[HeaderBytes..attribute.nla_len];
                return true;
            }

            rest = rest[Math.Min(rest.Length, Align(attribute.nla_len))..];
        }

        value = default;
        return false;
    }

    /// <summary>A string.</summary>
    /// <param name="type">Its number.</param>
    /// <returns>Null when it is not there.</returns>
    public string? Text(ushort type) =>
        TryFind(type, out ReadOnlySpan<byte> value) ? Encoding.UTF8.GetString(value.TrimEnd((byte)0)) : null;

    /// <summary>A number of 1, 2, 4 or 8 bytes.</summary>
    /// <param name="type">Its number.</param>
    /// <returns>Null when it is not there, or not that long.</returns>
    public ulong? Number(ushort type)
    {
        if (!TryFind(type, out ReadOnlySpan<byte> value))
        {
            return null;
        }

        return value.Length switch
        {
            sizeof(byte) => value[0],
            sizeof(ushort) => MemoryMarshal.Read<ushort>(value),
            sizeof(uint) => MemoryMarshal.Read<uint>(value),
            sizeof(ulong) => MemoryMarshal.Read<ulong>(value),
            _ => null,
        };
    }

    /// <summary>Appends a string.</summary>
    internal static void Append(List<byte> message, ushort type, string text)
    {
        byte[] value = [.. Encoding.UTF8.GetBytes(text), 0];
        nlattr header = new() { nla_len = (ushort)(HeaderBytes + value.Length), nla_type = type };
        message.AddRange(MemoryMarshal.AsBytes(new ReadOnlySpan<nlattr>(in header)));
        message.AddRange(value);
        while (message.Count % Alignment != 0)
        {
            message.Add(0);
        }
    }

    internal static int Align(int length) => (length + Alignment - 1) / Alignment * Alignment;
}
