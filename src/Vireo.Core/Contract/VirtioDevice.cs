using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Contract;

/// <summary>A virtio device as every home sees it: features, configuration space, and queues that start and stop.</summary>
/// <remarks>
/// Either emulated (<see cref="EmulatedDevice"/>) or handed on to somebody else's implementation (a proxy). All members
/// are called on the home's control thread, one at a time. Life: <see cref="Attach"/>, then any number of rounds of
/// <see cref="Accept"/>, <see cref="StartQueue"/> and <see cref="StopQueue"/>, <see cref="Reset"/>; at last Dispose.
/// </remarks>
public abstract class VirtioDevice : IDisposable
{
    /// <summary>The device type; its number is the virtio device id.</summary>
    public abstract DeviceType Type { get; }

    /// <summary>The features this device can offer. What rings and homes add or take away is not in it.</summary>
    public abstract FeatureSet OfferedFeatures { get; }

    /// <summary>The features of rings that its queues can work with: a home offers no other of <see cref="CoreFeature.Rings"/>.</summary>
    /// <remarks>Emulated devices run on this library's rings and take all; a proxy takes what its back-end offers.</remarks>
    public virtual FeatureSet RingFeatures => CoreFeature.Rings;

    /// <summary>
    /// Those of <see cref="OfferedFeatures"/> that need a driver which can write the configuration space; a home where it cannot
    /// offers none of them.
    /// </summary>
    public virtual FeatureSet WritableConfigFeatures => FeatureSet.Empty;

    /// <summary>The queues, in the order of their indices.</summary>
    public abstract IReadOnlyList<QueueTraits> Queues { get; }

    /// <summary>Length of the configuration space in bytes; 0 when the device has none.</summary>
    public abstract int ConfigLengthBytes { get; }

    /// <summary>The shared memory regions the driver may map; their sizes never change.</summary>
    public virtual IReadOnlyList<SharedRegion> SharedRegions => [];

    /// <summary>Reads the configuration space (VIRTIO 1.4 §2.5).</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled; bytes past the end of the space read as zero.</param>
    public abstract void ReadConfig(int offset, Span<byte> destination);

    /// <summary>Writes the configuration space; fields that a driver may not write stay as they are.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes; those past the end of the space are ignored.</param>
    public virtual void WriteConfig(int offset, ReadOnlySpan<byte> source) { }

    /// <summary>Brings the device into a home, or gives it new memory. No queue runs at that time.</summary>
    /// <param name="host">The home.</param>
    /// <param name="memory">The driver's memory; must outlive every queue that is started with it.</param>
    public abstract void Attach(IDeviceHost host, GuestMemory memory);

    /// <summary>Takes note of the features the driver accepted: a subset of those offered (VIRTIO 1.4 §2.2).</summary>
    /// <param name="features">The negotiated features, those of the rings included.</param>
    /// <exception cref="DeviceException">The device does not work with this choice.</exception>
    public virtual void Accept(FeatureSet features) { }

    /// <summary>Runs a queue.</summary>
    /// <param name="setup">The resources; signals stay the home's property and outlive the queue.</param>
    /// <exception cref="RingException">The ring cannot be started.</exception>
    /// <exception cref="DeviceException">The device cannot run this queue, or runs it already.</exception>
    public abstract void StartQueue(in QueueSetup setup);

    /// <summary>Stops a queue: waits for the requests in flight, so that nothing touches guest memory after it returns.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Where the queue stands; null when it did not run.</returns>
    public abstract QueueState? StopQueue(int index);

    /// <summary>
    /// Stops a queue without waiting for requests that nobody works on: they stay in the record of requests in flight
    /// (<see cref="QueueSetup.Inflight"/>), and whoever starts the queue next with that record does them.
    /// </summary>
    /// <remarks>A device that cannot tell such requests from others, or has no record, stops as <see cref="StopQueue"/> does.</remarks>
    /// <param name="index">Which queue.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public virtual QueueState? SuspendQueue(int index) => StopQueue(index);

    /// <summary>Stops all queues and forgets what was negotiated (VIRTIO 1.4 §2.4).</summary>
    public abstract void Reset();

    /// <summary>Ends the device. Queues have been stopped.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the device holds.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing) { }
}
