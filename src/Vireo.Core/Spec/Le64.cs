using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vireo.Core.Spec;

/// <summary>A 64-bit number stored little-endian, whatever the host's byte order (the specification's le64).</summary>
/// <remarks>For fields of structures shared with a driver; convert to <see cref="ulong"/> before computing.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly struct Le64 : IEquatable<Le64>
{
    /// <summary>The number as it lies in memory.</summary>
    private readonly ulong _raw;

    private Le64(ulong raw) => _raw = raw;

    /// <summary>The number in host byte order.</summary>
    public ulong Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BitConverter.IsLittleEndian ? _raw : BinaryPrimitives.ReverseEndianness(_raw);
    }

    /// <summary>The number in host byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator ulong(Le64 value) => value.Value;

    /// <summary>The number in little-endian byte order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator Le64(ulong value) =>
        new(BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    /// <summary>Whether two numbers are equal.</summary>
    public static bool operator ==(Le64 left, Le64 right) => left._raw == right._raw;

    /// <summary>Whether two numbers differ.</summary>
    public static bool operator !=(Le64 left, Le64 right) => left._raw != right._raw;

    /// <summary>The number in little-endian byte order.</summary>
    public static Le64 FromUInt64(ulong value) => value;

    /// <summary>The number in host byte order.</summary>
    public ulong ToUInt64() => Value;

    /// <inheritdoc/>
    public bool Equals(Le64 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Le64 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}
