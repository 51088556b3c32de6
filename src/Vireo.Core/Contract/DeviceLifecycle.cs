using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Contract;

/// <summary>The status machine of a device (VIRTIO 1.4 §2.1, §3.1): every home and transport goes through it.</summary>
/// <remarks>
/// <code>
///   reset ──acknowledge, driver──▶ features ok ──start queues──▶ driver ok ⇄ suspended
///     ▲                                                             │
///     └───────────────── write 0 ◀──────── needs reset ◀── fault ───┘
/// </code>
/// Legality is decided here, once. Two kinds of home use it: one whose protocol starts and stops each queue itself
/// (<see cref="StartQueue"/>, <see cref="StopQueue"/>), and one whose driver enables queues in registers
/// (<see cref="EnableQueue"/>, <see cref="DisableQueue"/>): an enabled queue runs while the status says DRIVER_OK and nobody
/// holds the device (<see cref="Hold"/>). Used by one control thread, except <see cref="MarkNeedsReset"/>, <see cref="Status"/> and
/// <see cref="IsLive"/>, which any thread may use.
/// </remarks>
public sealed class DeviceLifecycle
{
    /// <summary>The bits that a driver sets one after the other.</summary>
    private const DeviceStatus Settable =
        DeviceStatus.Acknowledge
        | DeviceStatus.Driver
        | DeviceStatus.FeaturesOk
        | DeviceStatus.DriverOk
        | DeviceStatus.Failed;

    /// <summary>All bits that the status field has.</summary>
    internal const DeviceStatus KnownBits = Settable | DeviceStatus.Suspend | DeviceStatus.NeedsReset;

    private readonly VirtioDevice _device;
    private readonly FeatureSet _offered;
    private readonly FeatureSet _required;

    /// <summary>What each queue runs with, or will run with as soon as it may; null for a queue that is not enabled.</summary>
    private readonly QueueSetup?[] _setups;

    private readonly bool[] _isRunning;

    /// <summary>1 from the first fault, whichever thread met it, to the reset.</summary>
    private volatile int _needsReset;

    /// <summary>Written by the control thread; other threads look at DRIVER_OK only.</summary>
    private volatile DeviceStatus _status;

    /// <summary>How many reasons there are that no queue may run at present.</summary>
    private int _holds;

    /// <summary>Puts a device under the machine, in the state of reset.</summary>
    /// <param name="device">The device.</param>
    /// <param name="additionalFeatures">
    /// What the home offers beside the device's own features: ring and transport bits. Those of rings that the device cannot work
    /// with are left out.
    /// </param>
    /// <param name="requiredFeatures">What a driver must accept, such as VERSION_1; among those offered.</param>
    /// <param name="withheldFeatures">What the home cannot offer, although the device could.</param>
    public DeviceLifecycle(
        VirtioDevice device,
        FeatureSet additionalFeatures,
        FeatureSet requiredFeatures = default,
        FeatureSet withheldFeatures = default
    )
    {
        _device = device;
        FeatureSet impossible = CoreFeature.Rings.Without(device.RingFeatures);
        _offered = (device.OfferedFeatures | additionalFeatures.Without(impossible)).Without(withheldFeatures);
        _required = requiredFeatures;
        _setups = new QueueSetup?[device.Queues.Count];
        _isRunning = new bool[device.Queues.Count];
    }

    /// <summary>
    /// Called with the reason the first time after a reset that the device needs one, on the thread that met it: the home tells the
    /// driver (VIRTIO 1.4 §2.1.2). Set before anything runs.
    /// </summary>
    public Action<string>? NeedsResetRaised { get; set; }

    /// <summary>The device.</summary>
    public VirtioDevice Device => _device;

    /// <summary>All features on offer.</summary>
    public FeatureSet Offered => _offered;

    /// <summary>The features the driver accepted; empty before FEATURES_OK.</summary>
    public FeatureSet Negotiated { get; private set; }

    /// <summary>The status field as the driver reads it.</summary>
    public DeviceStatus Status => _needsReset != 0 ? _status | DeviceStatus.NeedsReset : _status;

    /// <summary>Whether the driver has said DRIVER_OK and has not suspended the device: it may be notified.</summary>
    public bool IsLive => _status.HasFlag(DeviceStatus.DriverOk);

    /// <summary>Whether the driver has suspended the device.</summary>
    public bool IsSuspended => _status.HasFlag(DeviceStatus.Suspend);

    /// <summary>Whether any queue runs.</summary>
    public bool HasRunningQueue => Array.IndexOf(_isRunning, true) >= 0;

    /// <summary>Whether a queue runs.</summary>
    /// <param name="index">Which queue; one that the device does not have does not run.</param>
    public bool IsRunning(int index) => (uint)index < (uint)_isRunning.Length && _isRunning[index];

    /// <summary>What a queue runs with, or will run with when it may; its state is that of the last stop.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Null for a queue that is not enabled, or that the device does not have.</returns>
    public QueueSetup? SetupOf(int index) => (uint)index < (uint)_setups.Length ? _setups[index] : null;

    /// <summary>The driver writes the status field.</summary>
    /// <param name="value">The new value; 0 resets the device.</param>
    /// <param name="driverFeatures">The features the driver has selected so far; looked at when it sets FEATURES_OK.</param>
    /// <remarks>
    /// Bits the driver tries to clear stay set (§2.1.1 forbids clearing); FEATURES_OK stays clear when the features are refused, as
    /// §2.2.2 asks, and DRIVER_OK without it; NEEDS_RESET is the device's alone. SUSPEND and, on a suspended device, DRIVER_OK
    /// turn the device off and on again (§3.4).
    /// </remarks>
    public void WriteStatus(DeviceStatus value, FeatureSet driverFeatures)
    {
        if (value == DeviceStatus.None)
        {
            Reset();
            return;
        }

        if (IsSuspended)
        {
            ResumeIf(value.HasFlag(DeviceStatus.DriverOk));
            return;
        }

        bool wasLive = IsLive;
        DeviceStatus added = value & ~_status & Settable;
        if (added.HasFlag(DeviceStatus.FeaturesOk) && !TryNegotiate(driverFeatures, out _))
        {
            added &= ~DeviceStatus.FeaturesOk;
        }

        if (!(_status | added).HasFlag(DeviceStatus.FeaturesOk))
        {
            added &= ~DeviceStatus.DriverOk;
        }

        _status |= added;
        if (added.HasFlag(DeviceStatus.DriverOk))
        {
            StartEnabled();
        }
        else if (wasLive && value.HasFlag(DeviceStatus.Suspend) && Negotiated.Contains(CoreFeature.Suspend))
        {
            Suspend();
        }
    }

    /// <summary>Takes the driver's choice of features.</summary>
    /// <param name="features">The features the driver accepts.</param>
    /// <param name="refusal">Why not, in a sentence; null when they were taken.</param>
    /// <returns>False when a feature was not offered, a required one is missing, or the device does not work with the choice.</returns>
    public bool TryNegotiate(FeatureSet features, out string? refusal)
    {
        if (!features.IsSubsetOf(_offered))
        {
            refusal = $"features {features.Without(_offered)} were accepted but never offered";
            return false;
        }

        if (!_required.IsSubsetOf(features))
        {
            refusal = $"features {_required.Without(features)} must be accepted";
            return false;
        }

        try
        {
            _device.Accept(features);
        }
        catch (DeviceException exception)
        {
            refusal = exception.Message;
            return false;
        }

        refusal = null;
        Negotiated = features;
        _status |= DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;
        return true;
    }

    /// <summary>Brings back the status of a device that was stopped elsewhere. The device has been reset and is held.</summary>
    /// <param name="status">The status there.</param>
    /// <param name="features">The features that were negotiated there, if FEATURES_OK is in the status.</param>
    /// <exception cref="DeviceException">There can be no such status, or the features cannot be negotiated here.</exception>
    public void Restore(DeviceStatus status, FeatureSet features)
    {
        Invariant.That(_holds > 0 && _status == DeviceStatus.None);
        bool isOperating = (status & (DeviceStatus.DriverOk | DeviceStatus.Suspend)) != DeviceStatus.None;
        bool isBoth = status.HasFlag(DeviceStatus.DriverOk | DeviceStatus.Suspend);
        if (
            (status & ~KnownBits) != DeviceStatus.None
            || isBoth
            || isOperating && !status.HasFlag(DeviceStatus.FeaturesOk)
        )
        {
            throw new DeviceException($"a device never has status 0x{(int)status:x}");
        }

        if (status.HasFlag(DeviceStatus.FeaturesOk) && !TryNegotiate(features, out string? refusal))
        {
            throw new DeviceException(refusal!);
        }

        _status = status & ~DeviceStatus.NeedsReset;
        if (status.HasFlag(DeviceStatus.NeedsReset))
        {
            MarkNeedsReset("it did where it came from");
        }
    }

    /// <summary>Runs a queue now; the driver has set it up.</summary>
    /// <param name="setup">The resources.</param>
    /// <exception cref="RingException">The ring cannot be started.</exception>
    /// <exception cref="DeviceException">The device cannot run this queue, or runs it already.</exception>
    public void StartQueue(in QueueSetup setup)
    {
        _device.StartQueue(in setup);
        _setups[setup.Index] = setup;
        _isRunning[setup.Index] = true;
        _status |= DeviceStatus.DriverOk;
    }

    /// <summary>Stops a queue, and says where it stands.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public QueueState? StopQueue(int index) => TryForget(index) ? _device.StopQueue(index) : null;

    /// <summary>Stops a queue without waiting for requests that nobody works on; see <see cref="VirtioDevice.SuspendQueue"/>.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public QueueState? SuspendQueue(int index) => TryForget(index) ? _device.SuspendQueue(index) : null;

    /// <summary>Lets a queue run as soon as it may: now, or when the driver says DRIVER_OK, or when the device is let go.</summary>
    /// <param name="setup">The resources; the index is one of the device's queues. A queue that is enabled already stays as it is.</param>
    /// <remarks>A queue that cannot be started puts the device in need of a reset: registers have no other way to say it.</remarks>
    public void EnableQueue(in QueueSetup setup)
    {
        if (_setups[setup.Index] is not null)
        {
            return;
        }

        _setups[setup.Index] = setup;
        if (IsLive && _holds == 0)
        {
            StartEnabled(setup.Index);
        }
    }

    /// <summary>Stops a queue if it runs, and forgets what it was enabled with: the queue is as after a reset.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Where the queue stood; null when it was not enabled.</returns>
    public QueueState? DisableQueue(int index)
    {
        if (SetupOf(index) is not { } setup)
        {
            return null;
        }

        return StopQueue(index) ?? Forget(index, setup.State);
    }

    /// <summary>Says where a queue goes on that was stopped in another home; the device is held.</summary>
    /// <param name="index">Which queue; it is enabled.</param>
    /// <param name="state">Where it stands.</param>
    /// <remarks>With this, whoever moves a device writes the state of one home down in the form of another.</remarks>
    /// <exception cref="DeviceException">The queue is not enabled.</exception>
    public void PlaceQueue(int index, QueueState state)
    {
        Invariant.That(!IsRunning(index));
        if (SetupOf(index) is not { } setup)
        {
            throw new DeviceException($"queue {index} is not enabled, so it stands nowhere");
        }

        _setups[index] = setup with { State = state };
    }

    /// <summary>Stops all queues until <see cref="Release"/>; they stay enabled and go on where they stood.</summary>
    /// <remarks>Nests. For a change of memory, a device that may not master the bus, a migration.</remarks>
    public void Hold()
    {
        _holds++;
        StopRunning();
    }

    /// <summary>Takes one <see cref="Hold"/> back; with the last one, queues run again.</summary>
    public void Release()
    {
        Invariant.That(_holds > 0);
        _holds--;
        if (IsLive)
        {
            StartEnabled();
        }
    }

    /// <summary>Gives the device memory; queues that run are stopped, and go on in the new memory where they stood.</summary>
    /// <param name="host">The home.</param>
    /// <param name="memory">The memory.</param>
    /// <remarks>A queue whose ring is not in the new memory cannot go on: the device then needs a reset.</remarks>
    public void Attach(IDeviceHost host, GuestMemory memory)
    {
        Hold();
        _device.Attach(host, memory);
        Release();
    }

    /// <summary>Whether the queues that would run if nobody held them find their rings in a memory.</summary>
    /// <param name="memory">The memory.</param>
    /// <returns>False while a home that changes memory piece by piece had better go on holding them.</returns>
    public bool HasRingsIn(GuestMemory memory)
    {
        if (!IsLive)
        {
            return true;
        }

        bool isPacked = Negotiated.Contains(CoreFeature.RingPacked);
        foreach (QueueSetup? setup in _setups)
        {
            if (setup is { } enabled && !RingLocator.IsIn(enabled.Areas, memory, isPacked))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Notes that only a reset can mend the device.</summary>
    /// <param name="reason">Why, in a few words.</param>
    /// <returns>True the first time since the last reset: the driver is to be told.</returns>
    public bool MarkNeedsReset(string reason = "the driver broke a ring")
    {
        // Full: of several threads that meet a fault, one is the first and tells the driver.
        if (Interlocked.Exchange(ref _needsReset, 1) != 0)
        {
            return false;
        }

        NeedsResetRaised?.Invoke(reason);
        return true;
    }

    /// <summary>Stops everything and forgets everything but holds (VIRTIO 1.4 §2.4).</summary>
    public void Reset()
    {
        for (int index = 0; index < _setups.Length; index++)
        {
            DisableQueue(index);
        }

        _device.Reset();
        Negotiated = FeatureSet.Empty;
        _status = DeviceStatus.None;
        _needsReset = 0;
    }

    /// <summary>VIRTIO 1.4 §3.4.2: what is in flight is used and the driver told before the status shows it.</summary>
    private void Suspend()
    {
        StopRunning();
        _status = _status & ~DeviceStatus.DriverOk | DeviceStatus.Suspend;
    }

    private void ResumeIf(bool isWanted)
    {
        if (isWanted)
        {
            _status = _status & ~DeviceStatus.Suspend | DeviceStatus.DriverOk;
            StartEnabled();
        }
    }

    private void StopRunning()
    {
        for (int index = 0; index < _setups.Length; index++)
        {
            if (!IsRunning(index))
            {
                continue;
            }

            QueueSetup setup = _setups[index]!.Value;
            _isRunning[index] = false;
            if (_device.StopQueue(index) is { } state)
            {
                _setups[index] = setup with { State = state };
            }
            else
            {
                MarkNeedsReset($"queue {index} was lost by whoever ran it");
            }
        }
    }

    private void StartEnabled()
    {
        for (int index = 0; index < _setups.Length && _holds == 0; index++)
        {
            StartEnabled(index);
        }
    }

    private void StartEnabled(int index)
    {
        if (_isRunning[index] || _setups[index] is not { } setup)
        {
            return;
        }

        try
        {
            _device.StartQueue(in setup);
            _isRunning[index] = true;
        }
        catch (RingException exception)
        {
            MarkNeedsReset($"queue {index}: {exception.Message}");
        }
        catch (DeviceException exception)
        {
            MarkNeedsReset($"queue {index}: {exception.Message}");
        }
    }

    private QueueState Forget(int index, QueueState state)
    {
        _setups[index] = null;
        return state;
    }

    /// <summary>A queue runs no more.</summary>
    /// <returns>Whether it did.</returns>
    private bool TryForget(int index)
    {
        if (!IsRunning(index))
        {
            return false;
        }

        _isRunning[index] = false;
        _setups[index] = null;
        return true;
    }
}
