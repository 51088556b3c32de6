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
/// Legality is decided here, once. Used by one control thread, except <see cref="MarkNeedsReset"/>, which any thread may call.
/// </remarks>
public sealed class DeviceLifecycle
{
    private readonly VirtioDevice _device;
    private readonly FeatureSet _offered;
    private readonly bool[] _isRunning;

    /// <summary>Set by whichever thread met the fault, cleared by reset.</summary>
    private volatile bool _needsReset;

    private DeviceStatus _status;

    /// <summary>Puts a device under the machine, in the state of reset.</summary>
    /// <param name="device">The device.</param>
    /// <param name="additionalFeatures">
    /// What the home offers beside the device's own features: ring and transport bits. Those of rings that the device cannot work
    /// with are left out.
    /// </param>
    public DeviceLifecycle(VirtioDevice device, FeatureSet additionalFeatures)
    {
        _device = device;
        FeatureSet impossible = CoreFeature.Rings.Without(device.RingFeatures);
        _offered = device.OfferedFeatures | additionalFeatures.Without(impossible);
        _isRunning = new bool[device.Queues.Count];
    }

    /// <summary>The device.</summary>
    public VirtioDevice Device => _device;

    /// <summary>All features on offer.</summary>
    public FeatureSet Offered => _offered;

    /// <summary>The features the driver accepted; empty before FEATURES_OK.</summary>
    public FeatureSet Negotiated { get; private set; }

    /// <summary>The status field as the driver reads it.</summary>
    public DeviceStatus Status => _needsReset ? _status | DeviceStatus.NeedsReset : _status;

    /// <summary>Whether any queue runs.</summary>
    public bool HasRunningQueue => Array.IndexOf(_isRunning, true) >= 0;

    /// <summary>Whether a queue runs.</summary>
    /// <param name="index">Which queue; one that the device does not have does not run.</param>
    public bool IsRunning(int index) => (uint)index < (uint)_isRunning.Length && _isRunning[index];

    /// <summary>The driver writes the status field.</summary>
    /// <param name="value">The new value; 0 resets the device.</param>
    /// <param name="driverFeatures">The features the driver has selected so far; looked at when it sets FEATURES_OK.</param>
    /// <remarks>
    /// Bits the driver tries to clear stay set (§2.1.1 forbids clearing); FEATURES_OK stays clear when the features are refused, as
    /// §2.2.2 asks; NEEDS_RESET is the device's alone.
    /// </remarks>
    public void WriteStatus(DeviceStatus value, FeatureSet driverFeatures)
    {
        if (value == DeviceStatus.None)
        {
            Reset();
            return;
        }

        DeviceStatus added = value & ~_status & ~DeviceStatus.NeedsReset;
        bool wantsFeatures = added.HasFlag(DeviceStatus.FeaturesOk);
        if (wantsFeatures && !TryNegotiate(driverFeatures, out _))
        {
            added &= ~(DeviceStatus.FeaturesOk | DeviceStatus.DriverOk);
        }

        _status |= added;
    }

    /// <summary>Takes the driver's choice of features.</summary>
    /// <param name="features">The features the driver accepts.</param>
    /// <param name="refusal">Why not, in a sentence; null when they were taken.</param>
    /// <returns>False when a feature was not offered or the device does not work with the choice.</returns>
    public bool TryNegotiate(FeatureSet features, out string? refusal)
    {
        if (!features.IsSubsetOf(_offered))
        {
            refusal = $"features {features.Without(_offered)} were accepted but never offered";
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

    /// <summary>Runs a queue; the driver has set it up.</summary>
    /// <param name="setup">The resources.</param>
    /// <exception cref="RingException">The ring cannot be started.</exception>
    /// <exception cref="DeviceException">The device cannot run this queue, or runs it already.</exception>
    public void StartQueue(in QueueSetup setup)
    {
        _device.StartQueue(in setup);
        _isRunning[setup.Index] = true;
        _status |= DeviceStatus.DriverOk;
    }

    /// <summary>Stops a queue and says where it stands.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public QueueState? StopQueue(int index)
    {
        if (!IsRunning(index))
        {
            return null;
        }

        _isRunning[index] = false;
        return _device.StopQueue(index);
    }

    /// <summary>Gives the device memory; all queues must be stopped.</summary>
    /// <param name="host">The home.</param>
    /// <param name="memory">The memory.</param>
    public void Attach(IDeviceHost host, GuestMemory memory)
    {
        Invariant.That(!HasRunningQueue);
        _device.Attach(host, memory);
    }

    /// <summary>Notes that only a reset can mend the device.</summary>
    /// <returns>True the first time since the last reset: the driver is to be told.</returns>
    public bool MarkNeedsReset()
    {
        bool first = !_needsReset;
        _needsReset = true;
        return first;
    }

    /// <summary>Stops everything and forgets everything (VIRTIO 1.4 §2.4).</summary>
    public void Reset()
    {
        for (int index = 0; index < _isRunning.Length; index++)
        {
            StopQueue(index);
        }

        _device.Reset();
        Negotiated = FeatureSet.Empty;
        _status = DeviceStatus.None;
        _needsReset = false;
    }
}
