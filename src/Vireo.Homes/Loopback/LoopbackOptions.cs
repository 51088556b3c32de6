using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loopback;

/// <summary>How a <see cref="LoopbackHome"/> is set up. The defaults suit a device test.</summary>
public sealed record LoopbackOptions
{
    /// <summary>Bytes of guest memory unless stated otherwise.</summary>
    private const ulong UsualMemoryBytes = 64ul << 20;

    /// <summary>Descriptors of a queue unless stated otherwise.</summary>
    private const ushort UsualQueueSize = 256;

    /// <summary>Descriptors of an indirect table unless stated otherwise.</summary>
    private const ushort UsualTableLength = 16;

    /// <summary>Which of the device's own features the driver accepts; null accepts all on offer.</summary>
    public FeatureSet? DeviceFeatures { get; init; }

    /// <summary>
    /// The features of rings that are offered and accepted. RING_PACKED chooses the layout; VERSION_1 is added when it is missing.
    /// </summary>
    public FeatureSet RingFeatures { get; init; } =
        FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);

    /// <summary>Size of each queue in descriptors; a queue of the device that takes less gets the most it takes.</summary>
    public ushort QueueSize { get; init; } = UsualQueueSize;

    /// <summary>How many descriptors an indirect table holds, at least 2; used when INDIRECT_DESC is among the ring features.</summary>
    public ushort IndirectTableLength { get; init; } = UsualTableLength;

    /// <summary>Guest memory in bytes, rings included; it takes room only where it is used.</summary>
    public ulong MemoryBytes { get; init; } = UsualMemoryBytes;

    /// <summary>Guest memory to use in place of own memory: a file that others map too, for example. Stays the caller's.</summary>
    public MemoryRegion? Memory { get; init; }

    /// <summary>
    /// The event loops that run the queues, queue i on loop i of the group; null runs them within the driver's own calls. Stays
    /// the caller's.
    /// </summary>
    public EventLoopGroup? Loops { get; init; }

    /// <summary>
    /// Called while a queue that is being stopped waits for requests in flight: lets a backend make progress. Null where a
    /// device completes everything at once.
    /// </summary>
    public Action? WaitForBackend { get; init; }
}
