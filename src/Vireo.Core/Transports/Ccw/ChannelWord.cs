using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vireo.Core.Transports.Ccw;

/// <summary>One channel command word, in either format.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ChannelWord(CcwCommand Command, byte Flags, ushort Count, uint Address)
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 8;

    /// <summary>The next word goes on with this one's data.</summary>
    public const byte ChainData = 0x80;

    /// <summary>The next word is another command.</summary>
    public const byte ChainCommand = 0x40;

    /// <summary>Another length than the command's is not wrong.</summary>
    public const byte SuppressLength = 0x20;

    /// <summary>What is read is not stored.</summary>
    public const byte Skip = 0x10;

    /// <summary>The address is that of a list of addresses.</summary>
    public const byte Indirect = 0x04;

    /// <summary>Suspension and modified indirect addressing, which are not supported.</summary>
    public const byte Unsupported = 0x03;

    /// <summary>Whether the word is a jump; only the lower four bits say so.</summary>
    public bool IsTransfer => ((byte)Command & 0xf) == (byte)CcwCommand.TransferInChannel;

    /// <summary>Whether the architecture knows a command like this; four zero bits are none.</summary>
    public bool IsCommand => ((byte)Command & 0xf) != 0;

    /// <summary>Whether a flag is set.</summary>
    public bool Has(byte flag) => (Flags & flag) != 0;

    /// <summary>Reads a word.</summary>
    public static ChannelWord Parse(ReadOnlySpan<byte> bytes, bool isFormat1) =>
        isFormat1
            ? new(
                (CcwCommand)bytes[0],
                bytes[1],
                BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
                BinaryPrimitives.ReadUInt32BigEndian(bytes[4..])
            )
            : new(
                (CcwCommand)bytes[0],
                bytes[4],
                BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]),
                BinaryPrimitives.ReadUInt32BigEndian(bytes) & 0xff_ffff
            );

    /// <summary>Writes the word in format 1.</summary>
    public void Write(Span<byte> bytes)
    {
        bytes[0] = (byte)Command;
        bytes[1] = Flags;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], Count);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Address);
    }
}
