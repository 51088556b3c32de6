using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Drivers;

/// <summary>A piece of the memory that a driver shares with its device.</summary>
/// <remarks>
/// Requests name buffers and the device reads or writes them in place: nothing is copied. While a request is in flight its
/// buffers are the device's. A value; valid until the <see cref="DriverMemory"/> it came from is disposed.
/// </remarks>
[StructLayout(LayoutKind.Auto)]
public readonly struct DriverBuffer
{
    private readonly Segment _segment;

    internal DriverBuffer(GuestAddress address, Segment segment)
    {
        Address = address;
        _segment = segment;
    }

    /// <summary>The device's name for the first byte.</summary>
    public GuestAddress Address { get; }

    /// <summary>Length in bytes.</summary>
    public int Length => _segment.Length;

    /// <summary>The bytes, in place.</summary>
    public Span<byte> Bytes => _segment.Bytes;

    /// <summary>The piece as descriptors name it.</summary>
    public GuestRange Range => new(Address, (uint)_segment.Length);

    /// <summary>A part of this buffer.</summary>
    /// <param name="start">First byte, 0 to <see cref="Length"/>.</param>
    /// <param name="length">Length in bytes, 0 to <see cref="Length"/> less <paramref name="start"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the buffer.</exception>
    public DriverBuffer Slice(int start, int length)
    {
        Segment part = _segment.Slice(start, length);
        return new(new(Address.Value + (uint)start), part);
    }
}
