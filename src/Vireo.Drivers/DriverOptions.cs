using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Linux.Memory;

namespace Vireo.Drivers;

/// <summary>How a driver uses its device. The defaults suit a program that reads and writes now and then.</summary>
public record DriverOptions
{
    /// <summary>Shared memory unless stated otherwise: 64 MiB, which takes room only where it is used.</summary>
    private const long UsualMemoryBytes = 64L << 20;

    /// <summary>Requests in flight on a queue unless stated otherwise.</summary>
    private const int UsualDepth = 128;

    /// <summary>How many queues to run; the device may have fewer. At least 1.</summary>
    public int QueueCount { get; init; } = 1;

    /// <summary>How many requests may be in flight on each queue, 1 to 4096.</summary>
    public int Depth { get; init; } = UsualDepth;

    /// <summary>Bytes of memory shared with the device: rings, and the buffers that are allocated.</summary>
    public long MemoryBytes { get; init; } = UsualMemoryBytes;

    /// <summary>Which pages the shared memory consists of.</summary>
    public HugePageSize Pages { get; init; }

    /// <summary>
    /// The ring features to accept where the device offers them. With RING_PACKED the layout is packed; VERSION_1 is always
    /// asked for.
    /// </summary>
    public FeatureSet RingFeatures { get; init; } =
        FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);

    /// <summary>
    /// How long a wait looks at the ring before it sleeps. Zero sleeps at once and leaves the processor to others; some tens of
    /// microseconds make single requests several times faster.
    /// </summary>
    public TimeSpan PollWindow { get; init; }

    /// <summary>
    /// Runs the queues of a device that lives in this process, such as an emulated one; a device of another process needs none.
    /// </summary>
    public IQueueLoop? Loop { get; init; }
}
