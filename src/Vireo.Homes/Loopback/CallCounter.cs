using Vireo.Core.Contract;

namespace Vireo.Homes.Loopback;

/// <summary>A call that is counted, and can be waited for.</summary>
internal sealed class CallCounter : ISignal, IDisposable
{
    private readonly AutoResetEvent _called = new(initialState: false);
    private int _count;

    /// <summary>How many calls came.</summary>
    // Acquire: what the device published before it called is seen by whoever sees the call.
    public int Count => Volatile.Read(ref _count);

    /// <inheritdoc/>
    public void Notify()
    {
        // Full: counted by whichever thread calls; what it published before is seen with the count.
        Interlocked.Increment(ref _count);
        _called.Set();
    }

    /// <summary>Waits for a call since the last wait.</summary>
    /// <returns>False when none came in time.</returns>
    public bool Wait(TimeSpan timeout) => _called.WaitOne(timeout);

    /// <summary>Ends; no device calls any more.</summary>
    public void Dispose() => _called.Dispose();
}
