using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports;

/// <summary>Reads what <see cref="StateWriter"/> wrote; whoever sent it is not trusted.</summary>
internal ref struct StateReader
{
    private ReadOnlySpan<byte> _rest;

    public StateReader(ReadOnlySpan<byte> bytes) => _rest = bytes;

    /// <summary>Whether everything has been read.</summary>
    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte Read8() => Take(sizeof(byte))[0];

    public bool ReadBool() =>
        Read8() switch
        {
            0 => false,
            1 => true,
            byte other => throw new DeviceException($"the state has {other} where 0 or 1 is expected"),
        };

    public ushort Read16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)));

    public uint Read32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong Read64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    public FeatureSet ReadFeatures()
    {
        ulong low = Read64();
        return new(low, Read64());
    }

    /// <summary>Reads bytes whose number is known.</summary>
    /// <param name="what">What they are, for the message.</param>
    /// <param name="length">How many are expected.</param>
    /// <exception cref="DeviceException">There are others.</exception>
    public ReadOnlySpan<byte> ReadExactly(string what, int length)
    {
        Expect($"the length of {what}", (uint)length, Read32());
        return Take(length);
    }

    /// <summary>Reads bytes whose number has a limit.</summary>
    /// <param name="what">What they are, for the message.</param>
    /// <param name="lengthMax">How many there may be.</param>
    /// <exception cref="DeviceException">There are more.</exception>
    public ReadOnlySpan<byte> ReadBytes(string what, int lengthMax)
    {
        uint length = Read32();
        return length <= (uint)lengthMax
            ? Take((int)length)
            : throw new DeviceException($"{what} has {length} bytes, and {lengthMax} are the most");
    }

    /// <summary>Compares a number with what it must be.</summary>
    /// <param name="what">What it is, for the message.</param>
    /// <param name="expected">What it must be.</param>
    /// <param name="found">What it is.</param>
    /// <exception cref="DeviceException">They differ.</exception>
    public static void Expect(string what, uint expected, uint found)
    {
        if (expected != found)
        {
            throw new DeviceException($"the state is of another device: {what} is {found} there and {expected} here");
        }
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (_rest.Length < length)
        {
            throw new DeviceException("the state is cut short");
        }

        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
