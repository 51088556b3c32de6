namespace Vireo.Linux.Vhost;

/// <summary>How the kernel is told to run the rings of one kind of device: each kind has its own command.</summary>
/// <remarks>Used by the proxy's control thread.</remarks>
public interface IVhostRings
{
    /// <summary>How many of the device's first queues the kernel runs; those behind them nobody does.</summary>
    int Count { get; }

    /// <summary>Called before a ring is set up.</summary>
    /// <param name="device">The device.</param>
    /// <param name="index">Which ring, below <see cref="Count"/>; it does not run.</param>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    void Prepare(IVhostKernelDevice device, int index) { }

    /// <summary>Runs a ring, which has been set up. What its driver has made available before may go unseen until the next kick.</summary>
    /// <param name="device">The device.</param>
    /// <param name="index">Which ring, below <see cref="Count"/>.</param>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    void Start(IVhostKernelDevice device, int index);

    /// <summary>Stops a ring, after what is in flight.</summary>
    /// <param name="device">The device.</param>
    /// <param name="index">Which ring; it runs.</param>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    void Stop(IVhostKernelDevice device, int index);
}
