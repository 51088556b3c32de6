using System.Runtime.InteropServices;

namespace Vireo.Core.Memory;

/// <summary>Zeroed memory of this process that the garbage collector does not know: guest memory where nobody else maps it.</summary>
/// <remarks>For Loopback, tests and benchmarks. Whoever disposes it vouches that no queue uses it any more.</remarks>
public sealed unsafe class OwnedMemory : IDisposable
{
    /// <summary>Alignment of the first byte, in bytes: a page.</summary>
    public const int AlignmentBytes = 4096;

    private readonly void* _block;

    private bool _isDisposed;

    /// <summary>Allocates memory; pages take room when they are first touched.</summary>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    // SAFETY: the block is longer than asked for by one alignment, so the aligned range lies within it.
    public OwnedMemory(ulong lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(lengthBytes);
        // Not AlignedAlloc: calloc gets fresh pages from the kernel without touching them.
        _block = NativeMemory.AllocZeroed((nuint)(lengthBytes + AlignmentBytes));
        Address = (nint)(((nuint)_block + AlignmentBytes - 1) / AlignmentBytes * AlignmentBytes);
        LengthBytes = lengthBytes;
    }

    /// <summary>Host address of the first byte.</summary>
    public nint Address { get; }

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes { get; }

    /// <summary>This memory as a region of guest memory.</summary>
    /// <param name="address">Guest address at which it begins.</param>
    public MemoryRegion At(GuestAddress address) => new(address, LengthBytes, Address);

    /// <summary>A part of this memory as a segment, good until this is disposed.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Length in bytes, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not within the memory.</exception>
    public Segment Slice(int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)offset + (ulong)length, LengthBytes);
        return new(Address + offset, (nuint)length);
    }

    /// <summary>Frees the memory.</summary>
    // SAFETY: freed once; nobody may use the address afterwards, as the remarks say.
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            NativeMemory.Free(_block);
        }
    }
}
