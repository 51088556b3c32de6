using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>A 32-bit number stored little-endian, whatever the host's byte order (the specification's le32).</summary>
/// <remarks>For fields of structures shared with a driver; convert to <see cref="uint"/> before computing.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly struct Le32 : IEquatable<Le32>
{
    /// <summary>The number as it lies in memory.</summary>
    private readonly uint _raw;

    private Le32(uint raw) => _raw = raw;

    /// <summary>The number in host byte order.</summary>
    public uint Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BitConverter.IsLittleEndian ? _raw : BinaryPrimitives.ReverseEndianness(_raw);
    }

    /// <summary>The number in host byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator uint(Le32 value) => value.Value;

    /// <summary>The number in little-endian byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator Le32(uint value) =>
        new(BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    /// <summary>Whether two numbers are equal.</summary>
    public static bool operator ==(Le32 left, Le32 right) => left._raw == right._raw;

    /// <summary>Whether two numbers differ.</summary>
    public static bool operator !=(Le32 left, Le32 right) => left._raw != right._raw;

    /// <summary>The number in little-endian byte order.</summary>
    public static Le32 FromUInt32(uint value) => value;

    /// <summary>The number in host byte order.</summary>
    public uint ToUInt32() => Value;

    /// <inheritdoc/>
    public bool Equals(Le32 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Le32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}
