using Vireo.Core.Contract;

namespace Vireo.Homes.Loopback;

/// <summary>A call that is only counted; the driver looks at the ring when it wants to.</summary>
internal sealed class CallCounter : ISignal
{
    private int _count;

    /// <summary>How many calls came.</summary>
    // Acquire: what the device published before it called is seen by whoever sees the call.
    public int Count => Volatile.Read(ref _count);

    /// <inheritdoc/>
    // Full: counted by whichever thread calls; what it published before is seen with the count.
    public void Notify() => Interlocked.Increment(ref _count);
}
