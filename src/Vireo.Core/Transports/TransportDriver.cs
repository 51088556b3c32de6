using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports;

/// <summary>The driver's side of a transport: finds out what a device offers, negotiates, sets queues up, kicks.</summary>
/// <remarks>
/// For user-space drivers and tests; rings are a matter of Queues. The device is not trusted: every wait is bounded. Follows
/// the order of VIRTIO 1.4 §3.1.1. Used by one thread.
/// </remarks>
public abstract class TransportDriver
{
    /// <summary>How often a register is read until it shows what the device was told to do.</summary>
    private const int PollsMax = 1_000_000;

    /// <summary>How often a read of the configuration space is repeated because the device changed it meanwhile.</summary>
    private const int ConfigReadsMax = 1000;

    /// <summary>How many 32-bit words of features there are.</summary>
    private const uint FeatureWords = FeatureSet.BitCount / 32;

    /// <summary>The virtio device id; 0 for a slot without a device.</summary>
    public abstract uint DeviceId { get; }

    /// <summary>The status field.</summary>
    public abstract DeviceStatus Status { get; }

    /// <summary>The features that were negotiated.</summary>
    public FeatureSet Features { get; private set; }

    /// <summary>
    /// Whether the device was suspended, or is being suspended or resumed: kicks and writes of the configuration space are then refused
    /// here, and the rings' owner makes no buffer available (<see cref="DriverQueue.IsHeld"/>; VIRTIO 1.4 §3.4.1).
    /// </summary>
    public bool IsSuspended { get; private set; }

    /// <summary>Reads all features on offer.</summary>
    public FeatureSet ReadOffered()
    {
        FeatureSet offered = FeatureSet.Empty;
        for (uint word = 0; word < FeatureWords; word++)
        {
            offered = offered.WithWord(word, ReadDeviceFeatures(word));
        }

        return offered;
    }

    /// <summary>Resets the device and waits until it has been (VIRTIO 1.4 §2.4).</summary>
    /// <exception cref="DeviceException">It never says so.</exception>
    public void Reset()
    {
        WriteStatus(DeviceStatus.None);
        WaitFor(this, static driver => driver.Status == DeviceStatus.None, "the device does not finish its reset");
        Features = FeatureSet.Empty;
        IsSuspended = false;
    }

    /// <summary>Resets the device and negotiates features.</summary>
    /// <param name="wanted">The features the driver understands; VERSION_1 is added.</param>
    /// <returns>The features that both sides have.</returns>
    /// <exception cref="DeviceException">The device does not offer VERSION_1, or refuses the choice.</exception>
    public FeatureSet Negotiate(FeatureSet wanted)
    {
        Reset();
        WriteStatus(DeviceStatus.Acknowledge);
        WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver);
        FeatureSet offered = ReadOffered();
        FeatureSet accepted = offered & wanted.With(CoreFeature.Version1);
        for (uint word = 0; word < FeatureWords; word++)
        {
            WriteDriverFeatures(word, accepted.Word(word));
        }

        WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk);
        if (!accepted.Contains(CoreFeature.Version1) || !Status.HasFlag(DeviceStatus.FeaturesOk))
        {
            WriteStatus(Status | DeviceStatus.Failed);
            throw new DeviceException($"the device refuses features {accepted}; it offers {offered}");
        }

        Features = accepted;
        OnNegotiated();
        return accepted;
    }

    /// <summary>The largest size of a queue.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>In descriptors; 0 for a queue that is not there.</returns>
    public abstract ushort ReadSizeMax(int index);

    /// <summary>Tells the device where a queue lies and lets it run.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="areas">The ring.</param>
    public abstract void EnableQueue(int index, in QueueAreas areas);

    /// <summary>All queues are set up: the device may begin.</summary>
    public void Start() => WriteStatus(Status | DeviceStatus.DriverOk);

    /// <summary>Announces available buffers.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="nextOffset">Where the next buffer will be made available; used with NOTIFICATION_DATA (VIRTIO 1.4 §2.9).</param>
    /// <param name="nextWrap">The wrap counter there, for packed rings.</param>
    /// <exception cref="InvalidOperationException">The device is suspended.</exception>
    public void Kick(int index, ushort nextOffset = 0, bool nextWrap = false)
    {
        ThrowIfSuspended();
        WriteKick(index, nextOffset, nextWrap);
    }

    /// <summary>Resets one queue and waits until it has been; RING_RESET has been negotiated (VIRTIO 1.4 §2.6.1).</summary>
    /// <param name="index">Which queue.</param>
    /// <exception cref="DeviceException">The device never says so.</exception>
    public void ResetQueue(int index)
    {
        WriteQueueReset(index);
        WaitFor(
            (Driver: this, Index: index),
            static wait => !wait.Driver.IsQueueResetting(wait.Index),
            "the device does not finish the reset of a queue"
        );
    }

    /// <summary>Suspends the device and waits until it is (VIRTIO 1.4 §3.4).</summary>
    /// <exception cref="InvalidOperationException">SUSPEND was not negotiated, or the device does not run.</exception>
    /// <exception cref="DeviceException">It never says so; it is to be reset then.</exception>
    public void Suspend()
    {
        if (!Features.Contains(CoreFeature.Suspend) || !Status.HasFlag(DeviceStatus.DriverOk))
        {
            throw new InvalidOperationException("only a device that runs, and that has SUSPEND, can be suspended");
        }

        IsSuspended = true;
        WriteStatus(Status | DeviceStatus.Suspend);
        WaitFor(
            this,
            static driver => (driver.Status & (DeviceStatus.Suspend | DeviceStatus.DriverOk)) == DeviceStatus.Suspend,
            "the device does not suspend"
        );
    }

    /// <summary>Lets a suspended device go on, and waits until it does.</summary>
    /// <exception cref="DeviceException">It never says so.</exception>
    public void Resume()
    {
        WriteStatus(Status | DeviceStatus.DriverOk);
        WaitFor(
            this,
            static driver => (driver.Status & (DeviceStatus.Suspend | DeviceStatus.DriverOk)) == DeviceStatus.DriverOk,
            "the device does not resume"
        );
        IsSuspended = false;
    }

    /// <summary>Reads fields of the configuration space that fit together (VIRTIO 1.4 §2.5.2).</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled by accesses of 4, 2 and 1 bytes.</param>
    /// <exception cref="DeviceException">The device changes it all the time.</exception>
    public virtual void ReadConfig(int offset, Span<byte> destination)
    {
        for (int reads = 0; reads < ConfigReadsMax; reads++)
        {
            uint before = ReadGeneration();
            int done = 0;
            while (done < destination.Length)
            {
                int width = WidthAt(offset + done, destination.Length - done);
                ReadConfigField(offset + done, destination.Slice(done, width));
                done += width;
            }

            if (ReadGeneration() == before)
            {
                return;
            }
        }

        throw new DeviceException("the device changes its configuration space faster than it can be read");
    }

    /// <summary>Writes fields of the configuration space by accesses of 4, 2 and 1 bytes.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    /// <exception cref="InvalidOperationException">The device is suspended.</exception>
    public void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        ThrowIfSuspended();
        WriteConfigFields(offset, source);
    }

    /// <summary>Writes fields of the configuration space.</summary>
    protected virtual void WriteConfigFields(int offset, ReadOnlySpan<byte> source)
    {
        int done = 0;
        while (done < source.Length)
        {
            int width = WidthAt(offset + done, source.Length - done);
            WriteConfigField(offset + done, source.Slice(done, width));
            done += width;
        }
    }

    /// <summary>Writes the status field.</summary>
    /// <param name="status">The new value.</param>
    public abstract void WriteStatus(DeviceStatus status);

    /// <summary>Announces available buffers; see <see cref="Kick"/>.</summary>
    protected abstract void WriteKick(int index, ushort nextOffset, bool nextWrap);

    /// <summary>Features have been negotiated: what a reset has taken away is to be set up anew.</summary>
    protected virtual void OnNegotiated() { }

    /// <summary>Reads 32 features on offer.</summary>
    protected abstract uint ReadDeviceFeatures(uint word);

    /// <summary>Accepts 32 features.</summary>
    protected abstract void WriteDriverFeatures(uint word, uint features);

    /// <summary>Asks for the reset of a queue.</summary>
    protected abstract void WriteQueueReset(int index);

    /// <summary>Whether the reset of a queue goes on.</summary>
    protected abstract bool IsQueueResetting(int index);

    /// <summary>Reads the generation of the configuration space.</summary>
    protected abstract uint ReadGeneration();

    /// <summary>Reads 1, 2 or 4 aligned bytes of the configuration space.</summary>
    protected abstract void ReadConfigField(int offset, Span<byte> destination);

    /// <summary>Writes 1, 2 or 4 aligned bytes of the configuration space.</summary>
    protected abstract void WriteConfigField(int offset, ReadOnlySpan<byte> source);

    /// <summary>What a kick writes (VIRTIO 1.4 §2.9).</summary>
    private protected static uint NotificationData(ushort queue, ushort nextOffset, bool nextWrap) =>
        queue | (uint)(nextOffset & 0x7fff) << 16 | (nextWrap ? 1u << 31 : 0);

    private void ThrowIfSuspended()
    {
        if (IsSuspended)
        {
            throw new InvalidOperationException(
                "the device is suspended, and its driver leaves it alone until it is resumed"
            );
        }
    }

    private static int WidthAt(int offset, int left) =>
        offset % 4 == 0 && left >= 4 ? 4
        : offset % 2 == 0 && left >= 2 ? 2
        : 1;

    private protected static void WaitFor<T>(T subject, Func<T, bool> condition, string complaint)
    {
        for (int polls = 0; !condition(subject); polls++)
        {
            if (polls == PollsMax)
            {
                throw new DeviceException(complaint);
            }

            Thread.Yield();
        }
    }
}
