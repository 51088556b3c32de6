namespace Vireo.Core.Memory;

/// <summary>An address in the memory that a driver shares with a device, in bytes.</summary>
/// <remarks>Guest-physical, or an I/O virtual address where a translation stands in front (ACCESS_PLATFORM).</remarks>
/// <param name="Value">The address.</param>
public readonly record struct GuestAddress(ulong Value)
{
    /// <summary>The address a number of bytes further on.</summary>
    /// <exception cref="OverflowException">The sum does not fit in 64 bits.</exception>
    public static GuestAddress operator +(GuestAddress address, ulong bytes) => new(checked(address.Value + bytes));

    /// <summary>The address a number of bytes further on.</summary>
    /// <exception cref="OverflowException">The sum does not fit in 64 bits.</exception>
    public static GuestAddress Add(GuestAddress address, ulong bytes) => address + bytes;

    /// <summary>The address in hexadecimal.</summary>
    public override string ToString() => $"0x{Value:x}";
}
