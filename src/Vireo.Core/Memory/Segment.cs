using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Vireo.Core.Memory;

/// <summary>A contiguous piece of guest memory in this process, laid out like <c>struct iovec</c>.</summary>
/// <remarks>
/// Arrays of segments go to the kernel as I/O vectors unchanged. The memory is shared with the driver, which may change
/// it at any time: copy what you interpret, once, and check the copy. Valid while the queue it came from runs.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly unsafe struct Segment
{
    private const uint CacheLineBytes = 64;

    private readonly nint _address;
    private readonly nuint _length;

    /// <summary>Names a piece of memory.</summary>
    /// <param name="address">Host address of the first byte.</param>
    /// <param name="length">Length in bytes, at most <see cref="int.MaxValue"/>.</param>
    /// <remarks>Nothing is checked: only guest memory, and tests, make segments.</remarks>
    internal Segment(nint address, nuint length)
    {
        _address = address;
        _length = length;
    }

    /// <summary>A segment over memory of this process that the garbage collector does not move.</summary>
    // SAFETY: the caller passes pinned memory and keeps it alive as long as the segment.
    internal static Segment OverPinned(Span<byte> bytes) =>
        new((nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes)), (nuint)bytes.Length);

    /// <summary>Has the processor fetch the first bytes of memory that another one used: a packet's header, and what follows it.</summary>
    /// <param name="address">Host address of the first byte.</param>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    // SAFETY: only a hint, which never faults; the range was checked all the same.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Expect(nint address, uint lengthBytes)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0((void*)address);
            Sse.Prefetch0((void*)(address + (nint)Math.Min(lengthBytes - 1, CacheLineBytes)));
        }
    }

    /// <summary>Makes this processor the owner of the first bytes of a piece that is about to be written; they keep their values.</summary>
    /// <remarks>
    /// A buffer that comes back from another processor is in that one's cache, and stores wait for their turn in order: 90 ns for each
    /// packet where it is filled by itself, 10 ns where those of a burst are touched one right after the other (measured). .NET has no
    /// instruction for it but a store.
    /// </remarks>
    /// <param name="piece">A piece that may be written to, not empty; best one that <see cref="Expect"/> was told of before.</param>
    // SAFETY: the range was checked; both bytes lie in it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Claim(in Segment piece)
    {
        byte* first = (byte*)piece._address;
        byte* next = first + Math.Min(piece._length - 1, CacheLineBytes);
        // Acquire: only so that the compiler keeps what has no effect but on the cache.
        *first = Volatile.Read(ref *first);
        // Acquire: as above.
        *next = Volatile.Read(ref *next);
    }

    /// <summary>As <see cref="Claim"/>, where the bytes need not keep their values: the memory is not read for it, one journey less.</summary>
    /// <param name="piece">A piece that may be written to, not empty.</param>
    // SAFETY: the range was checked; both bytes lie in it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Seize(in Segment piece)
    {
        byte* first = (byte*)piece._address;
        *first = 0;
        *(first + Math.Min(piece._length - 1, CacheLineBytes)) = 0;
    }

    /// <summary>As <see cref="Seize"/>, without the first cache line, which is fetched to be read.</summary>
    /// <param name="piece">A piece that may be written to, not empty.</param>
    // SAFETY: the range was checked; the byte lies in it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SeizeBehindStart(in Segment piece)
    {
        byte* first = (byte*)piece._address;
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(first);
        }

        *(first + Math.Min(piece._length - 1, CacheLineBytes)) = 0;
    }

    /// <summary>Host address of the first byte.</summary>
    public nint Address => _address;

    /// <summary>Whether the first bytes share their cache line with nothing that follows.</summary>
    /// <remarks>A header in such a place that is already what it ought to be is best left alone: then its line stays where it is.</remarks>
    /// <param name="startBytes">How many bytes, 1 to 64.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsStartApart(int startBytes) => (_address & (nint)(CacheLineBytes - 1)) >= CacheLineBytes - startBytes;

    /// <summary>Length in bytes.</summary>
    public int Length => (int)_length;

    /// <summary>The bytes, in place, shared with the driver.</summary>
    // SAFETY: segments are made only by GuestMemory, from ranges checked against a mapping that outlives running queues.
    public Span<byte> Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new((void*)_address, (int)_length);
    }

    /// <summary>A part of this segment.</summary>
    /// <param name="start">First byte, 0 to <see cref="Length"/>.</param>
    /// <param name="length">Length in bytes, 0 to <see cref="Length"/> less <paramref name="start"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the segment.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Segment Slice(int start, int length)
    {
        if ((uint)start > (uint)Length || (uint)length > (uint)(Length - start))
        {
            ThrowOutside();
        }

        return new(_address + start, (nuint)length);
    }

    private static void ThrowOutside() =>
        throw new ArgumentOutOfRangeException(null, "the part lies outside the segment");
}
