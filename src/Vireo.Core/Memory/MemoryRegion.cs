using System.Runtime.InteropServices;

namespace Vireo.Core.Memory;

/// <summary>A contiguous range of guest memory and where it is mapped in this process.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct MemoryRegion
{
    /// <summary>Describes a region.</summary>
    /// <param name="address">Guest address of the first byte.</param>
    /// <param name="lengthBytes">Length in bytes, at least 1; the region must not wrap past the last address.</param>
    /// <param name="hostAddress">
    /// Where the first byte is mapped. The caller vouches that the whole range stays mapped, readable, and writable if
    /// <paramref name="access"/> says so, until no queue uses a <see cref="GuestMemory"/> made from it.
    /// </param>
    /// <param name="access">What a device may do with the range.</param>
    /// <exception cref="ArgumentOutOfRangeException">The region is empty or wraps.</exception>
    public MemoryRegion(
        GuestAddress address,
        ulong lengthBytes,
        nint hostAddress,
        MemoryAccess access = MemoryAccess.ReadWrite
    )
    {
        ArgumentOutOfRangeException.ThrowIfZero(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes - 1, ulong.MaxValue - address.Value);
        Address = address;
        LengthBytes = lengthBytes;
        HostAddress = hostAddress;
        Access = access;
    }

    /// <summary>Guest address of the first byte.</summary>
    public GuestAddress Address { get; }

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes { get; }

    /// <summary>Host address of the first byte.</summary>
    public nint HostAddress { get; }

    /// <summary>What a device may do with the range.</summary>
    public MemoryAccess Access { get; }

    /// <summary>The file behind the mapping; null where the memory is nobody's but this process'.</summary>
    public MemoryBacking? Backing { get; init; }

    /// <summary>Guest address of the last byte.</summary>
    public GuestAddress Last => new(Address.Value + (LengthBytes - 1));
}
