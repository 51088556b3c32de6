using System.Numerics;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports;

/// <summary>What PCI, MMIO and channel I/O share: the registers behind the registers, on one <see cref="DeviceLifecycle"/>.</summary>
/// <remarks>
/// Every member takes any value a driver may write and never throws. One control thread, except the members of
/// <see cref="IDeviceHost"/>.
/// </remarks>
internal sealed partial class TransportCore : IDeviceHost
{
    private readonly ITransportHost _host;
    private readonly ITransportCalls _calls;
    private readonly TransportQueue[] _queues;

    /// <summary>The configuration space as the driver read it last.</summary>
    private readonly byte[] _config;

    /// <summary>The configuration space as it is now; compared with what the driver read last.</summary>
    private readonly byte[] _configNow;

    private bool _isConfigKnown;

    /// <summary>What the status was when the driver reset the device.</summary>
    private DeviceStatus _statusBeforeReset;

    /// <summary>1 while a change of the configuration space awaits its notification.</summary>
    private int _isConfigCallPending;

    /// <summary>Puts a device behind registers, in the state of reset.</summary>
    /// <param name="device">The device.</param>
    /// <param name="host">Who routes the accesses.</param>
    /// <param name="calls">The transport.</param>
    /// <param name="features">Ring and transport features on offer beside VERSION_1.</param>
    public TransportCore(VirtioDevice device, ITransportHost host, ITransportCalls calls, FeatureSet features)
    {
        _host = host;
        _calls = calls;
        var version = FeatureSet.Of(CoreFeature.Version1);
        Lifecycle = new(device, features | version, requiredFeatures: version) { NeedsResetRaised = OnNeedsReset };
        _queues = new TransportQueue[device.Queues.Count];
        for (int index = 0; index < _queues.Length; index++)
        {
            _queues[index] = new(index, device.Queues[index].SizeMax, calls);
        }

        _config = new byte[device.ConfigLengthBytes];
        _configNow = new byte[device.ConfigLengthBytes];
    }

    /// <summary>The status machine.</summary>
    public DeviceLifecycle Lifecycle { get; }

    /// <summary>The device.</summary>
    public VirtioDevice Device => Lifecycle.Device;

    /// <summary>How many queues the device has.</summary>
    public int QueueCount => _queues.Length;

    /// <summary>Length of the configuration space in bytes.</summary>
    public int ConfigLengthBytes => _config.Length;

    /// <summary>The status as the driver reads it: after a reset, what it was before until the reset is complete.</summary>
    public DeviceStatus Status =>
        Lifecycle.Status == DeviceStatus.None && _host.HasWritesInFlight ? _statusBeforeReset : Lifecycle.Status;

    /// <summary>Whether a queue's reset is not complete.</summary>
    public bool IsResetting(TransportQueue queue) => queue.IsResetting || queue.WasReset && _host.HasWritesInFlight;

    /// <summary>Which 32 bits <see cref="DeviceFeatureWord"/> shows.</summary>
    public uint DeviceFeatureSelect { get; set; }

    /// <summary>Which 32 bits <see cref="DriverFeatureWord"/> shows.</summary>
    public uint DriverFeatureSelect { get; set; }

    /// <summary>The features the driver has written so far.</summary>
    public FeatureSet DriverFeatures { get; private set; }

    /// <summary>Which queue the queue registers show; may be one that does not exist.</summary>
    public uint QueueSelect { get; set; }

    /// <summary>32 of the features on offer.</summary>
    public uint DeviceFeatureWord => Lifecycle.Offered.Word(DeviceFeatureSelect);

    /// <summary>32 of the features the driver has written; they stand fast from FEATURES_OK to reset (VIRTIO 1.4 §3.1.1).</summary>
    public uint DriverFeatureWord
    {
        get => DriverFeatures.Word(DriverFeatureSelect);
        set
        {
            if (!Lifecycle.Status.HasFlag(DeviceStatus.FeaturesOk))
            {
                DriverFeatures = DriverFeatures.WithWord(DriverFeatureSelect, value);
            }
        }
    }

    /// <summary>The selected queue; null when the device does not have it.</summary>
    public TransportQueue? Selected => QueueSelect < (uint)_queues.Length ? _queues[QueueSelect] : null;

    /// <summary>Changes whenever the driver has read something of the configuration space that has changed.</summary>
    public uint ConfigGeneration { get; private set; }

    /// <summary>A queue.</summary>
    /// <param name="index">Which; below <see cref="QueueCount"/>.</param>
    public TransportQueue Queue(int index) => _queues[index];

    /// <summary>Whether a feature has been negotiated.</summary>
    /// <param name="bit">Feature bit number.</param>
    public bool Has(int bit) => Lifecycle.Negotiated.Contains(bit);

    /// <summary>The driver writes the status.</summary>
    /// <param name="value">What it writes; 0 resets.</param>
    public void WriteStatus(uint value)
    {
        if (value == 0)
        {
            Reset();
            return;
        }

        var status = (DeviceStatus)(value & byte.MaxValue);
        if (status == DeviceStatus.None)
        {
            return;
        }

        bool wasSuspended = Lifecycle.IsSuspended;
        Lifecycle.WriteStatus(status, DriverFeatures);
        if (Lifecycle.IsSuspended && !wasSuspended)
        {
            // What the driver reads until it resumes the device is what was true when it suspended it (VIRTIO 1.4 §3.4.2).
            ReadConfigNow();
        }

        SendConfigCall();
    }

    /// <summary>The driver writes the status, and it is either taken as it is or not at all.</summary>
    /// <param name="value">What it writes; 0 resets.</param>
    /// <returns>False when the status stays as it was.</returns>
    public bool TryWriteStatus(byte value)
    {
        var wanted = (DeviceStatus)value;
        DeviceStatus status = Lifecycle.Status;
        DeviceStatus kept = status & ~(DeviceStatus.NeedsReset | DeviceStatus.Suspend | DeviceStatus.DriverOk);
        bool suspendsInVain =
            wanted.HasFlag(DeviceStatus.Suspend)
            && !status.HasFlag(DeviceStatus.Suspend)
            && !(Lifecycle.IsLive && Has(CoreFeature.Suspend));
        bool clearsBits = value != 0 && (wanted & kept) != kept;
        bool isNotTheDrivers =
            (wanted & ~DeviceLifecycle.KnownBits) != DeviceStatus.None
            || wanted.HasFlag(DeviceStatus.NeedsReset) && !status.HasFlag(DeviceStatus.NeedsReset);
        bool needsFeatures =
            wanted.HasFlag(DeviceStatus.DriverOk) && !(wanted | status).HasFlag(DeviceStatus.FeaturesOk);
        bool negotiates = wanted.HasFlag(DeviceStatus.FeaturesOk) && !status.HasFlag(DeviceStatus.FeaturesOk);
        if (
            clearsBits
            || isNotTheDrivers
            || suspendsInVain
            || needsFeatures
            || negotiates && !Lifecycle.TryNegotiate(DriverFeatures, out _)
        )
        {
            return false;
        }

        WriteStatus(value);
        return true;
    }

    /// <summary>Resets the device and all registers.</summary>
    public void Reset()
    {
        if (Lifecycle.Status != DeviceStatus.None)
        {
            _statusBeforeReset = Lifecycle.Status;
        }

        Lifecycle.Reset();
        DeviceFeatureSelect = 0;
        DriverFeatureSelect = 0;
        DriverFeatures = FeatureSet.Empty;
        QueueSelect = 0;
        foreach (TransportQueue queue in _queues)
        {
            queue.Reset();
        }

        // Full: a change that was announced for the driver before the reset is not announced to the one after it.
        Interlocked.Exchange(ref _isConfigCallPending, 0);
        _calls.OnReset();
    }

    /// <summary>Gives the device memory; running queues go on in it.</summary>
    public void Attach(GuestMemory memory) => Lifecycle.Attach(this, memory);

    /// <summary>The driver chooses the size of a queue; sizes the layout or the device does not allow are not taken.</summary>
    public void WriteSize(TransportQueue queue, uint size)
    {
        if (TakesSize(queue, size) && !queue.IsEnabled)
        {
            queue.Size = (ushort)size;
        }
    }

    /// <summary>Whether the layout and the device allow a size.</summary>
    public bool TakesSize(TransportQueue queue, uint size) =>
        size is not 0 && size <= queue.SizeMax && (BitOperations.IsPow2(size) || Has(CoreFeature.RingPacked));

    /// <summary>The driver enables a queue.</summary>
    public void Enable(TransportQueue queue) => Enable(queue, QueueState.Fresh);

    /// <summary>Enables a queue that goes on where it stood elsewhere.</summary>
    public void Enable(TransportQueue queue, QueueState state)
    {
        if (queue.IsEnabled)
        {
            return;
        }

        queue.IsEnabled = true;
        queue.WasReset = false;
        Lifecycle.EnableQueue(new(queue.Index, queue.Areas, state, _host.KickFor(queue.Index), Call: queue));
    }

    /// <summary>The driver takes a queue back, with or without what it has set up.</summary>
    public void Disable(TransportQueue queue)
    {
        Lifecycle.DisableQueue(queue.Index);
        queue.IsEnabled = false;
    }

    /// <summary>The driver resets one queue (VIRTIO 1.4 §2.6.1).</summary>
    public void ResetQueue(TransportQueue queue)
    {
        if (!Has(CoreFeature.RingReset))
        {
            return;
        }

        queue.IsResetting = true;
        Lifecycle.DisableQueue(queue.Index);
        queue.Reset();
        queue.IsResetting = false;
        queue.WasReset = true;
    }

    /// <summary>The driver announces available buffers.</summary>
    /// <param name="index">Which queue it says; any number.</param>
    public void Kick(uint index)
    {
        if (index < (uint)_queues.Length && Lifecycle.IsRunning((int)index))
        {
            _host.KickFor((int)index).Notify();
        }
    }

    /// <summary>The driver reads the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled; past the end of the space with zeros.</param>
    public void ReadConfig(ulong offset, Span<byte> destination)
    {
        if (!Lifecycle.IsSuspended || !_isConfigKnown)
        {
            ReadConfigNow();
        }

        destination.Clear();
        if (offset < (ulong)_config.Length)
        {
            ReadOnlySpan<byte> rest = _config.AsSpan((int)offset);
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }

    /// <summary>The driver writes the configuration space; a suspended device ignores it (VIRTIO 1.4 §3.4.2).</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes; those past the end of the space are ignored.</param>
    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source)
    {
        if (!Lifecycle.IsSuspended && offset < (ulong)_config.Length)
        {
            Device.WriteConfig((int)offset, source[..Math.Min(source.Length, _config.Length - (int)offset)]);
        }
    }

    /// <inheritdoc/>
    public IQueueLoop LoopFor(int queueIndex) => _host.LoopFor(queueIndex);

    /// <inheritdoc/>
    public void NotifyConfigChanged()
    {
        // Full: whoever makes the device live after this sees that a call is pending; else it is live now, and is called now.
        Interlocked.Exchange(ref _isConfigCallPending, 1);
        SendConfigCall();
    }

    /// <inheritdoc/>
    public void ReportFault(int queueIndex, QueueFault fault) =>
        Lifecycle.MarkNeedsReset($"queue {queueIndex}: {fault}");

    /// <inheritdoc/>
    public void ReportLoss(string reason) => Lifecycle.MarkNeedsReset(reason);

    private void OnNeedsReset(string reason)
    {
        _host.OnNeedsReset(reason);
        NotifyConfigChanged();
    }

    /// <summary>Announces a change, unless the driver is not ready or has suspended the device; then it is announced later.</summary>
    private void SendConfigCall()
    {
        // Full: of several threads that find the device live, one makes the call.
        if (Lifecycle.IsLive && Interlocked.Exchange(ref _isConfigCallPending, 0) != 0)
        {
            _calls.CallConfig();
        }
    }

    /// <summary>
    /// Reads the whole space and compares it with what the driver read last. That finds every change, also one that is
    /// announced only afterwards, so two equal generations mean that the reads in between fit together (VIRTIO 1.4 §2.5).
    /// </summary>
    private void ReadConfigNow()
    {
        if (_config.Length == 0)
        {
            return;
        }

        Device.ReadConfig(0, _configNow);
        if (_isConfigKnown && !_configNow.AsSpan().SequenceEqual(_config))
        {
            ConfigGeneration = ConfigGeneration == uint.MaxValue ? 0 : ConfigGeneration + 1;
        }

        _isConfigKnown = true;
        _configNow.CopyTo(_config, 0);
    }
}
