using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Devices.Net;

/// <summary>Receive buffers that were taken from the ring and not yet filled, oldest first.</summary>
internal sealed class NetBufferStock
{
    private readonly SegmentList _segments = new();

    /// <summary>Grows to the most buffers that one frame has needed, at most the size of the queue.</summary>
    private Buffer[] _buffers = new Buffer[64];

    /// <summary>How many buffers there are.</summary>
    public int Count { get; private set; }

    /// <summary>How many bytes fit into all of them.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>The memory of all of them, in order.</summary>
    public ReadOnlySpan<Segment> Segments => _segments.Items;

    /// <summary>The head of a buffer's chain.</summary>
    public ushort HeadOf(int index) => _buffers[index].Head;

    /// <summary>How many bytes fit into a buffer.</summary>
    public uint BytesOf(int index) => _buffers[index].Bytes;

    /// <summary>Adds a buffer that was just taken.</summary>
    /// <returns>False when all of them would consist of more pieces than can be kept; nothing was added then.</returns>
    public bool TryAdd(in DescriptorChain chain)
    {
        if (_segments.Count + chain.Writable.Length > GuestMemory.SegmentsMax)
        {
            return false;
        }

        if (Count == _buffers.Length)
        {
            Array.Resize(ref _buffers, 2 * Count);
        }

        int start = _segments.Count;
        foreach (Segment segment in chain.Writable)
        {
            _segments.TryAdd(segment);
        }

        _buffers[Count++] = new(chain.Head, chain.WritableBytes, _segments.Count - start);
        Bytes += chain.WritableBytes;
        return true;
    }

    /// <summary>How many buffers from the first on are needed for so many bytes.</summary>
    public int CountFor(uint bytes)
    {
        ulong sum = 0;
        int count = 0;
        while (sum < bytes)
        {
            sum += _buffers[count++].Bytes;
        }

        return count;
    }

    /// <summary>Forgets the first buffers.</summary>
    public void RemoveFirst(int count)
    {
        if (count == Count)
        {
            Clear();
            return;
        }

        // Happens only when a frame that needed many buffers gave way to a shorter one.
        int segments = 0;
        for (int index = 0; index < count; index++)
        {
            segments += _buffers[index].SegmentCount;
            Bytes -= _buffers[index].Bytes;
        }

        Segment[] rest = _segments.Items[segments..].ToArray();
        _segments.Clear();
        foreach (Segment segment in rest)
        {
            _segments.TryAdd(segment);
        }

        Array.Copy(_buffers, count, _buffers, 0, Count - count);
        Count -= count;
    }

    /// <summary>Forgets all buffers.</summary>
    public void Clear()
    {
        _segments.Clear();
        Count = 0;
        Bytes = 0;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Buffer(ushort Head, uint Bytes, int SegmentCount);
}
