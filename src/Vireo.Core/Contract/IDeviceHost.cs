using Vireo.Core.Queues;

namespace Vireo.Core.Contract;

/// <summary>What a device may ask of the home it lives in.</summary>
/// <remarks>Any thread may call.</remarks>
public interface IDeviceHost
{
    /// <summary>The loop that runs a queue.</summary>
    /// <param name="queueIndex">Which queue of the device.</param>
    IQueueLoop LoopFor(int queueIndex);

    /// <summary>Tells the driver that the configuration space has changed (VIRTIO 1.4 §2.3).</summary>
    void NotifyConfigChanged();

    /// <summary>Reports that the driver broke a ring; the device then needs a reset (VIRTIO 1.4 §2.1.2).</summary>
    /// <param name="queueIndex">The queue, which has retired.</param>
    /// <param name="fault">How it was broken.</param>
    void ReportFault(int queueIndex, QueueFault fault);

    /// <summary>Reports that the device has lost what it works with, for good: the back-end of a proxy, for example.</summary>
    /// <param name="reason">What happened, in a sentence.</param>
    /// <remarks>No queue completes anything any more; only a reset can mend that, if anything can (VIRTIO 1.4 §2.1.2).</remarks>
    void ReportLoss(string reason);
}
