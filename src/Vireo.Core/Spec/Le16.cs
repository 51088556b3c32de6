using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>A 16-bit number stored little-endian, whatever the host's byte order (the specification's le16).</summary>
/// <remarks>For fields of structures shared with a driver; convert to <see cref="ushort"/> before computing.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly struct Le16 : IEquatable<Le16>
{
    /// <summary>The number as it lies in memory.</summary>
    private readonly ushort _raw;

    private Le16(ushort raw) => _raw = raw;

    /// <summary>The number in host byte order.</summary>
    public ushort Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BitConverter.IsLittleEndian ? _raw : BinaryPrimitives.ReverseEndianness(_raw);
    }

    /// <summary>The number in host byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator ushort(Le16 value) => value.Value;

    /// <summary>The number in little-endian byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator Le16(ushort value) =>
        new(BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    /// <summary>Whether two numbers are equal.</summary>
    public static bool operator ==(Le16 left, Le16 right) => left._raw == right._raw;

    /// <summary>Whether two numbers differ.</summary>
    public static bool operator !=(Le16 left, Le16 right) => left._raw != right._raw;

    /// <summary>The number in little-endian byte order.</summary>
    public static Le16 FromUInt16(ushort value) => value;

    /// <summary>The number in host byte order.</summary>
    public ushort ToUInt16() => Value;

    /// <inheritdoc/>
    public bool Equals(Le16 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Le16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}
