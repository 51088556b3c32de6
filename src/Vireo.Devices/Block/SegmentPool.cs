using System.Numerics;
using Vireo.Core.Memory;

namespace Vireo.Devices.Block;

/// <summary>Room for the segments of a queue's requests in flight, in memory the collector does not move.</summary>
/// <remarks>
/// A request of up to <see cref="InlineSegments"/> segments uses a place that belongs to its head: 64 bytes per descriptor of the
/// queue. A longer one leases an array of the next power of two, which is kept for the next; so in steady state nothing is
/// allocated. What is kept and leased stays below <see cref="LeasedSegmentsMax"/> and one request more: 2 MiB per queue at worst,
/// however long the driver's chains. Used by one loop.
/// </remarks>
internal sealed class SegmentPool
{
    /// <summary>Segments that every request has room for without a lease: one page of data in a usual frame takes one.</summary>
    public const int InlineSegments = 4;

    /// <summary>From here on no chain is taken until a request has ended: 65,536 segments of 16 bytes are 1 MiB.</summary>
    public const int LeasedSegmentsMax = 65536;

    private const int ShortestLog2 = 3;
    private const int LongestLog2 = 16;

    private readonly Segment[] _inline;

    /// <summary>Arrays not in use, by the logarithm of their length less <see cref="ShortestLog2"/>.</summary>
    private readonly Stack<Segment[]>[] _free;

    private int _leasedSegments;

    /// <summary>Makes room for a queue.</summary>
    /// <param name="queueSize">The queue's size; heads are below it.</param>
    public SegmentPool(int queueSize)
    {
        _inline = GC.AllocateArray<Segment>(queueSize * InlineSegments, pinned: true);
        _free = new Stack<Segment[]>[LongestLog2 - ShortestLog2 + 1];
        for (int index = 0; index < _free.Length; index++)
        {
            _free[index] = new();
        }
    }

    /// <summary>Whether another request may be begun, however long its chain.</summary>
    public bool HasRoom => _leasedSegments < LeasedSegmentsMax;

    /// <summary>Segments in all arrays, leased or kept.</summary>
    public int AllocatedSegments { get; private set; }

    /// <summary>Gives a request room.</summary>
    /// <param name="head">The request's head, without room at present.</param>
    /// <param name="count">How many segments: 0 to 65,536.</param>
    /// <returns>Room for exactly that many, the request's until it returns it.</returns>
    public ArraySegment<Segment> Lease(int head, int count)
    {
        if (count <= InlineSegments)
        {
            return new(_inline, head * InlineSegments, count);
        }

        int log2 = Math.Max(ShortestLog2, BitOperations.Log2((uint)(count - 1)) + 1);
        _leasedSegments += 1 << log2;
        Segment[] array = _free[log2 - ShortestLog2].TryPop(out Segment[]? kept) ? kept : Allocate(1 << log2);
        return new(array, 0, count);
    }

    /// <summary>Takes room back.</summary>
    /// <param name="room">What <see cref="Lease"/> gave, or nothing at all.</param>
    public void Return(ArraySegment<Segment> room)
    {
        if (room.Array is null || ReferenceEquals(room.Array, _inline))
        {
            return;
        }

        _leasedSegments -= room.Array.Length;
        _free[BitOperations.Log2((uint)room.Array.Length) - ShortestLog2].Push(room.Array);
    }

    /// <summary>A length is asked for of which no array is kept: in steady state this does not happen.</summary>
    private Segment[] Allocate(int length)
    {
        if (AllocatedSegments + length > LeasedSegmentsMax)
        {
            ForgetKept();
        }

        AllocatedSegments += length;
        return GC.AllocateArray<Segment>(length, pinned: true);
    }

    /// <summary>Leaves the kept arrays to the collector, so that a driver which varies its lengths cannot make us keep them all.</summary>
    private void ForgetKept()
    {
        foreach (Stack<Segment[]> arrays in _free)
        {
            while (arrays.TryPop(out Segment[]? array))
            {
                AllocatedSegments -= array.Length;
            }
        }
    }
}
