using System.Buffers.Binary;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports;

/// <summary>Writes the state of a transport: little-endian numbers, one behind the other.</summary>
internal sealed class StateWriter
{
    private readonly List<byte> _bytes = [];

    /// <summary>What has been written.</summary>
    public byte[] ToArray() => [.. _bytes];

    public void Write8(int value) => _bytes.Add((byte)value);

    public void Write16(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
        _bytes.AddRange(bytes);
    }

    public void Write32(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    public void Write64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    public void Write(FeatureSet features)
    {
        Write64(features.Low);
        Write64(features.High);
    }

    /// <summary>Writes bytes with their number before them.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Write32((uint)bytes.Length);
        _bytes.AddRange(bytes);
    }
}
