using Vireo.Core.Contract;

namespace Vireo.Devices.Block;

/// <summary>What an operator decides about a block device; the rest follows from its disk.</summary>
public sealed record BlockOptions
{
    /// <summary>The identification that drivers can ask for: up to 20 printable ASCII characters; empty for none.</summary>
    public string Serial { get; init; } = "";

    /// <summary>Number of queues, 1 to 1024.</summary>
    public int QueueCount { get; init; } = 1;

    /// <summary>The largest queue size, in descriptors: a power of two, at most 32,768.</summary>
    public ushort QueueSizeMax { get; init; } = QueueTraits.UsualSizeMax;

    /// <summary>
    /// How many data segments a driver may put in a request, 1 to 1022. The usual 126 and the two descriptors for header and
    /// status fill a queue of 128.
    /// </summary>
    public int SegmentsMax { get; init; } = 126;

    /// <summary>The largest data segment in bytes, at least 512; 0 for no limit, which is then not offered.</summary>
    public int SegmentBytesMax { get; init; }
}
