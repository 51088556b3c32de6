using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Raw;

/// <summary>Aligned buffers for requests whose memory O_DIRECT would refuse.</summary>
/// <remarks>Allocated when first needed and kept: 2 MiB per channel at most. Used by one loop.</remarks>
internal sealed class BouncePool : IDisposable
{
    /// <summary>Length of a buffer in bytes; longer requests go through it in pieces.</summary>
    public const int BufferBytes = 256 * 1024;

    private const int BuffersMax = 8;

    private readonly OwnedMemory?[] _buffers = new OwnedMemory?[BuffersMax];

    /// <summary>One entry per buffer, as the engine wants its segments.</summary>
    private readonly Segment[] _segments = GC.AllocateArray<Segment>(BuffersMax, pinned: true);

    /// <summary>The buffers not in use.</summary>
    private readonly Stack<int> _free = new(BuffersMax);

    /// <summary>Makes a pool without buffers.</summary>
    public BouncePool()
    {
        for (int index = BuffersMax - 1; index >= 0; index--)
        {
            _free.Push(index);
        }
    }

    /// <summary>Takes a buffer.</summary>
    /// <param name="index">The buffer, the caller's until it returns it.</param>
    /// <returns>False when all are in use.</returns>
    public bool TryTake(out int index)
    {
        if (!_free.TryPop(out index))
        {
            return false;
        }

        _buffers[index] ??= new(BufferBytes);
        return true;
    }

    /// <summary>Gives a buffer back.</summary>
    public void Return(int index) => _free.Push(index);

    /// <summary>The first bytes of a buffer that was taken.</summary>
    public Segment Segment(int index, int lengthBytes) => _buffers[index]!.Slice(0, lengthBytes);

    /// <summary>The first bytes of a buffer, as the engine wants its segments; good until the next call for this buffer.</summary>
    public ArraySegment<Segment> Segments(int index, int lengthBytes)
    {
        _segments[index] = Segment(index, lengthBytes);
        return new(_segments, index, 1);
    }

    /// <summary>Frees the buffers. None may be in use.</summary>
    public void Dispose()
    {
        foreach (OwnedMemory? buffer in _buffers)
        {
            buffer?.Dispose();
        }
    }
}
