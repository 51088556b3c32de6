using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Benchmarks.Homes;

/// <summary>A block device in one home, and a driver's way to its first queue. One thread drives.</summary>
internal abstract class HomeUnderLoad : IDisposable
{
    /// <summary>How many descriptors the ring has: more than the deepest load needs.</summary>
    protected const ushort QueueSize = 256;

    /// <summary>The driver's side of the ring.</summary>
    public abstract DriverQueue Queue { get; }

    /// <summary>Takes a piece of the memory that the device sees.</summary>
    public abstract GuestRange Allocate(uint lengthBytes);

    /// <summary>Tells the device of new requests.</summary>
    public abstract void Kick();

    /// <summary>Nothing is done: lets the device work, or sleeps until it calls.</summary>
    public abstract void Wait();

    /// <inheritdoc/>
    public abstract void Dispose();
}
