using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Vireo.Core.Spec;

/// <summary>A set of feature bits, numbered 0 to 127 (VIRTIO 1.4 §2.2).</summary>
/// <remarks>
/// 128 bits because VIRTIO 1.4 assigns network features up to bit 70. A value; all operations return a new set.
/// </remarks>
[StructLayout(LayoutKind.Auto)]
public readonly struct FeatureSet : IEquatable<FeatureSet>
{
    /// <summary>How many feature bits a set can hold.</summary>
    public const int BitCount = 128;

    /// <summary>The set without any feature.</summary>
    public static readonly FeatureSet Empty;

    /// <summary>Makes a set from its two halves.</summary>
    /// <param name="low">Bits 0 to 63.</param>
    /// <param name="high">Bits 64 to 127.</param>
    public FeatureSet(ulong low, ulong high = 0)
    {
        Low = low;
        High = high;
    }

    /// <summary>Bits 0 to 63.</summary>
    public ulong Low { get; }

    /// <summary>Bits 64 to 127.</summary>
    public ulong High { get; }

    /// <summary>Whether no bit is set.</summary>
    public bool IsEmpty => (Low | High) == 0;

    /// <summary>How many bits are set.</summary>
    public int Count => BitOperations.PopCount(Low) + BitOperations.PopCount(High);

    /// <summary>The features in both sets.</summary>
    public static FeatureSet operator &(FeatureSet left, FeatureSet right) =>
        new(left.Low & right.Low, left.High & right.High);

    /// <summary>The features in either set.</summary>
    public static FeatureSet operator |(FeatureSet left, FeatureSet right) =>
        new(left.Low | right.Low, left.High | right.High);

    /// <summary>Whether both sets hold the same features.</summary>
    public static bool operator ==(FeatureSet left, FeatureSet right) => left.Equals(right);

    /// <summary>Whether the sets differ.</summary>
    public static bool operator !=(FeatureSet left, FeatureSet right) => !left.Equals(right);

    /// <summary>The set of the given feature bits.</summary>
    /// <param name="bits">Feature bit numbers, 0 to 127.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside 0 to 127.</exception>
    public static FeatureSet Of(params ReadOnlySpan<int> bits)
    {
        FeatureSet set = Empty;
        foreach (int bit in bits)
        {
            set = set.With(bit);
        }

        return set;
    }

    /// <summary>Whether the set holds a feature.</summary>
    /// <param name="bit">Feature bit number, 0 to 127; any other number is in no set.</param>
    public bool Contains(int bit) =>
        bit switch
        {
            < 0 or >= BitCount => false,
            < 64 => (Low >> bit & 1) != 0,
            _ => (High >> (bit - 64) & 1) != 0,
        };

    /// <summary>Whether every feature of this set is in <paramref name="other"/>.</summary>
    public bool IsSubsetOf(FeatureSet other) => (Low & ~other.Low) == 0 && (High & ~other.High) == 0;

    /// <summary>This set and one more feature.</summary>
    /// <param name="bit">Feature bit number, 0 to 127.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside 0 to 127.</exception>
    public FeatureSet With(int bit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bit);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(bit, BitCount);
        return bit < 64 ? new(Low | 1UL << bit, High) : new(Low, High | 1UL << (bit - 64));
    }

    /// <summary>This set and, on a condition, one more feature.</summary>
    /// <param name="bit">Feature bit number, 0 to 127.</param>
    /// <param name="condition">Whether the feature is added.</param>
    public FeatureSet WithIf(int bit, bool condition) => condition ? With(bit) : this;

    /// <summary>This set less the features of another.</summary>
    public FeatureSet Without(FeatureSet other) => new(Low & ~other.Low, High & ~other.High);

    /// <summary>This set less one feature.</summary>
    /// <param name="bit">Feature bit number, 0 to 127.</param>
    public FeatureSet Without(int bit) => Without(Of(bit));

    /// <summary>One 32-bit word of the set, as the feature-select registers show it.</summary>
    /// <param name="select">Which word: bits 32×select to 32×select+31. Words past the fourth read as 0.</param>
    public uint Word(uint select) =>
        select switch
        {
            0 => unchecked((uint)Low),
            1 => (uint)(Low >> 32),
            2 => unchecked((uint)High),
            3 => (uint)(High >> 32),
            _ => 0,
        };

    /// <summary>The set with one 32-bit word replaced; words past the fourth change nothing.</summary>
    /// <param name="select">Which word.</param>
    /// <param name="value">Its new bits.</param>
    public FeatureSet WithWord(uint select, uint value) =>
        select switch
        {
            0 => new(Low & ~0xffff_fffful | value, High),
            1 => new(Low & 0xffff_fffful | (ulong)value << 32, High),
            2 => new(Low, High & ~0xffff_fffful | value),
            3 => new(Low, High & 0xffff_fffful | (ulong)value << 32),
            _ => this,
        };

    /// <inheritdoc/>
    public bool Equals(FeatureSet other) => Low == other.Low && High == other.High;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is FeatureSet other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Low, High);

    /// <summary>The bit numbers, ascending, in braces.</summary>
    public override string ToString()
    {
        StringBuilder text = new("{");
        for (int bit = 0; bit < BitCount; bit++)
        {
            if (Contains(bit))
            {
                text.Append(text.Length > 1 ? ", " : "").Append(bit);
            }
        }

        return text.Append('}').ToString();
    }
}
