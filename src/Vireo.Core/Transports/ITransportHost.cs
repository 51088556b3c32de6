using Vireo.Core.Contract;

namespace Vireo.Core.Transports;

/// <summary>What a transport asks of whoever routes its accesses: a VMM, a vfio-user server, a test.</summary>
public interface ITransportHost
{
    /// <summary>The loop that runs a queue. Any thread may call.</summary>
    /// <param name="queueIndex">Which queue of the device.</param>
    IQueueLoop LoopFor(int queueIndex);

    /// <summary>
    /// What announces available buffers of a queue: the transport notifies it when the driver writes the notification register, and
    /// the queue's loop waits on it. Where the host routes such writes past the transport (ioeventfd), it is the same signal.
    /// </summary>
    /// <param name="queueIndex">Which queue of the device.</param>
    /// <returns>The signal; stays the host's and outlives the queue.</returns>
    ISignal KickFor(int queueIndex);

    /// <summary>
    /// Whether something of the device's is still on its way to the driver's memory although no queue runs: then a reset is not complete,
    /// and the driver is not told that it is (VIRTIO 1.4 §2.1.2, §2.6.1).
    /// </summary>
    bool HasWritesInFlight => false;

    /// <summary>Only a reset can mend the device now; the driver is told by the transport. Any thread.</summary>
    /// <param name="reason">Why, in a few words, for the log.</param>
    void OnNeedsReset(string reason);
}
