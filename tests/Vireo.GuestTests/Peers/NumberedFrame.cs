using System.Buffers.Binary;
using Vireo.Devices.Net;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>A frame of 200 bytes that says which one it is, and by its other bytes whether it was changed on its way.</summary>
internal static class NumberedFrame
{
    public const int LengthBytes = 200;

    private const int TypeOffset = 12;
    private const int NumberOffset = 14;
    private const int FillOffset = NumberOffset + sizeof(ulong);

    /// <summary>For local experiments.</summary>
    private const ushort Type = 0x88b5;

    public static byte[] Make(MacAddress destination, MacAddress source, ulong number)
    {
        byte[] frame = new byte[LengthBytes];
        destination.Write(frame);
        source.Write(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(TypeOffset), Type);
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(NumberOffset), number);
        frame.AsSpan(FillOffset).Fill(FillOf(number));
        return frame;
    }

    /// <summary>Reads the number; false for another's frame, such as those by which a kernel looks for its neighbours.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out ulong number)
    {
        number = 0;
        if (frame.Length < FillOffset || BinaryPrimitives.ReadUInt16BigEndian(frame[TypeOffset..]) != Type)
        {
            return false;
        }

        number = BinaryPrimitives.ReadUInt64LittleEndian(frame[NumberOffset..]);
        Assert.Equal(LengthBytes, frame.Length);
        Assert.False(frame[FillOffset..].ContainsAnyExcept(FillOf(number)), $"packet {number} was changed on its way");
        return true;
    }

    private static byte FillOf(ulong number) => (byte)(number & byte.MaxValue);
}
