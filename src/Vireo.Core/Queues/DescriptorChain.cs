using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>One buffer that a driver made available: the segments to read and the segments to write.</summary>
/// <remarks>
/// Valid until the next chain is taken from the same queue. What must outlive that - the head, segments - is copied to
/// a request of the handler's own. All memory behind it is shared with the driver and hostile.
/// </remarks>
public readonly ref struct DescriptorChain
{
    /// <summary>All segments: those to read, then those to write.</summary>
    private readonly ReadOnlySpan<Segment> _segments;

    private readonly int _readableCount;

    /// <summary>Puts a chain together.</summary>
    internal DescriptorChain(
        ushort head,
        ReadOnlySpan<Segment> segments,
        int readableCount,
        uint readableBytes,
        uint writableBytes
    )
    {
        Head = head;
        _segments = segments;
        _readableCount = readableCount;
        ReadableBytes = readableBytes;
        WritableBytes = writableBytes;
    }

    /// <summary>Names the chain when it is completed: descriptor index (split) or buffer id (packed), below the queue size.</summary>
    public ushort Head { get; }

    /// <summary>What the device may read, in order.</summary>
    public ReadOnlySpan<Segment> Readable => _segments[.._readableCount];

    /// <summary>What the device may write, in order.</summary>
    public ReadOnlySpan<Segment> Writable => _segments[_readableCount..];

    /// <summary>Bytes in <see cref="Readable"/>.</summary>
    public uint ReadableBytes { get; }

    /// <summary>Bytes in <see cref="Writable"/>.</summary>
    public uint WritableBytes { get; }

    /// <summary>A cursor at the start of the readable bytes.</summary>
    public ChainReader Reader => new(Readable, ReadableBytes);

    /// <summary>A cursor at the start of the writable bytes.</summary>
    public ChainWriter Writer => new(Writable, WritableBytes);
}
