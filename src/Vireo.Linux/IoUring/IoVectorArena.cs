using Vireo.Linux.Files;
using Vireo.Linux.Memory;

namespace Vireo.Linux.IoUring;

/// <summary>Room for the vectors of requests that are prepared and not yet taken by the kernel, which copies them then.</summary>
// SAFETY: the pointer points into the mapping this object owns; Add checks that the vectors fit.
internal sealed unsafe class IoVectorArena : IDisposable
{
    /// <summary>Vectors one request may have (UIO_MAXIOV).</summary>
    internal const int PerRequestMax = 1024;

    private const int PerEntry = 16;

    private readonly MemoryMapping _memory;
    private readonly int _capacity;
    private int _used;

    /// <summary>Makes room for an average of 16 vectors per entry, and at least for one request of the largest size.</summary>
    internal IoVectorArena(uint entries)
    {
        _capacity = Math.Max((int)entries * PerEntry, PerRequestMax);
        _memory = MemoryMapping.MapAnonymous((nuint)_capacity * (nuint)sizeof(IoVector));
    }

    public void Dispose() => _memory.Dispose();

    internal bool HasRoomFor(int count) => count <= _capacity - _used;

    /// <summary>Copies vectors. The caller has asked for room.</summary>
    /// <returns>Address of the copy.</returns>
    internal ulong Add(ReadOnlySpan<IoVector> vectors)
    {
        IoVector* start = (IoVector*)_memory.Address + _used;
        vectors.CopyTo(new Span<IoVector>(start, _capacity - _used));
        _used += vectors.Length;
        return (ulong)start;
    }

    /// <summary>Forgets all vectors: the kernel has taken every request.</summary>
    internal void Reset() => _used = 0;
}
