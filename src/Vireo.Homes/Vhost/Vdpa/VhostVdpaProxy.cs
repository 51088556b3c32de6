using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost.Vdpa;

/// <summary>A device on this host's vDPA bus, whoever implements it: a card, or a process behind VDUSE.</summary>
/// <remarks>
/// <para>
/// To a home, or to a driver, a device like any other; its queues are handed on to the bus and never seen here. Memory must be
/// shared memory, kicks event descriptors; calls that are none are passed on by a thread.
/// </para>
/// <para>
/// The bus starts and stops all queues of a device together. So when one is started or stopped beside others that run, the device is
/// reset, which completes what is in flight, and all go on where they stood:
/// <code>
///   reset ──features, queues, addresses──▶ DRIVER_OK ──a queue more, or one less──▶ reset
/// </code>
/// Where a split ring stands is read from the ring itself. A packed one does not show it, so packed rings are not offered.
/// </para>
/// </remarks>
public sealed class VhostVdpaProxy : VirtioDevice, ILoopWatcher
{
    private const DeviceStatus Negotiated = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;

    private readonly IVhostVdpaDevice _door;
    private readonly EventLoop? _loop;
    private readonly EventFd _configCall = EventFd.Create();

    /// <summary>The queues that run, as they were set up; their states are those of the last start.</summary>
    private readonly QueueSetup?[] _running;

    private readonly CallBridge _calls = new();
    private readonly FeatureSet _busFeatures;
    private LoopWatch? _watch;
    private IDeviceHost? _host;
    private GuestMemory? _memory;

    /// <summary>What is mapped on the bus.</summary>
    private VhostRegion[] _mapped = [];

    private FeatureSet _features;
    private bool _isAccepted;
    private bool _isDisposed;

    internal VhostVdpaProxy(IVhostVdpaDevice door, VhostVdpaProxyOptions options)
    {
        _door = door;
        _loop = options.Loop;
        Type = (DeviceType)door.ReadDeviceId();
        FeatureSet offered = VhostFeatures.Of(door.ReadFeatures());
        int queueCount = door.ReadQueueCount();
        int sizeMax = Math.Min(door.ReadQueueSizeMax(), SplitRing.SizeMax);
        if (queueCount < 1 || sizeMax < 1)
        {
            throw new DeviceException(
                $"the device on the bus has {queueCount} queues of {sizeMax} descriptors, where at least 1 was expected"
            );
        }

        // A driver thinks of powers of two.
        ushort size = (ushort)(1 << System.Numerics.BitOperations.Log2((uint)sizeMax));
        _busFeatures = offered & FeatureSet.Of(CoreFeature.AccessPlatform);
        OfferedFeatures = VhostFeatures.OfDevice(offered);
        RingFeatures = VhostFeatures.OfRings(offered);
        ConfigLengthBytes = door.ReadConfigLength();
        var queues = new QueueTraits[queueCount];
        for (int index = 0; index < queueCount; index++)
        {
            queues[index] = new($"queue{index}", size);
        }

        Queues = queues;
        _running = new QueueSetup?[queueCount];
    }

    /// <inheritdoc/>
    public override DeviceType Type { get; }

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures { get; }

    /// <inheritdoc/>
    public override FeatureSet RingFeatures { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<QueueTraits> Queues { get; }

    /// <inheritdoc/>
    public override int ConfigLengthBytes { get; }

    /// <summary>Opens a device.</summary>
    /// <param name="path">Its node, such as <c>/dev/vhost-vdpa-0</c>.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="LinuxException">ENOENT: there is none; EBUSY: another process has it; EACCES: not allowed.</exception>
    /// <exception cref="DeviceException">It is none that can be used.</exception>
    public static VhostVdpaProxy Open(string path, VhostVdpaProxyOptions? options = null)
    {
        var door = VhostVdpaDevice.Open(path);
        VhostVdpaProxy? proxy = null;
        try
        {
            proxy = new(door, options ?? new());
            proxy.Begin();
            return proxy;
        }
        catch
        {
            proxy?.Dispose();
            door.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The bus refuses.</exception>
    public override void ReadConfig(int offset, Span<byte> destination)
    {
        destination.Clear();
        int length = Math.Min(destination.Length, ConfigLengthBytes - offset);
        if (length <= 0)
        {
            return;
        }

        byte[] bytes = new byte[length];
        Ask(() => _door.ReadConfig(offset, bytes));
        bytes.CopyTo(destination);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The bus refuses.</exception>
    public override void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        int length = Math.Min(source.Length, ConfigLengthBytes - offset);
        if (length > 0)
        {
            byte[] bytes = source[..length].ToArray();
            Ask(() => _door.WriteConfig(offset, bytes));
        }
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The bus refuses the memory.</exception>
    public override void Attach(IDeviceHost host, GuestMemory memory)
    {
        _host = host;
        _memory = memory;
        Ask(UnmapAll);
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        _features = features;
        _isAccepted = false;
        Ask(Negotiate);
        _isAccepted = true;
    }

    /// <inheritdoc/>
    public override void StartQueue(in QueueSetup setup)
    {
        if ((uint)setup.Index >= (uint)_running.Length || _running[setup.Index] is not null)
        {
            throw new DeviceException($"queue {setup.Index} runs already, or is not one of {_running.Length} queues");
        }

        if (_memory is null || !_isAccepted)
        {
            throw new DeviceException($"queue {setup.Index} cannot run before memory and features are known");
        }

        VhostSignals.DescriptorOf(setup.Kick, setup.Index);
        Ask(Halt);
        _running[setup.Index] = setup;
        try
        {
            Ask(RunAll);
        }
        catch
        {
            _running[setup.Index] = null;
            throw;
        }
    }

    /// <inheritdoc/>
    public override QueueState? StopQueue(int index)
    {
        if ((uint)index >= (uint)_running.Length || _running[index] is null)
        {
            return null;
        }

        Ask(Halt);
        QueueState state = _running[index]!.Value.State;
        _running[index] = null;
        _calls.Forget(index);
        if (Array.Exists(_running, static setup => setup is not null))
        {
            Ask(RunAll);
        }

        return state;
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        for (int index = 0; index < _running.Length; index++)
        {
            _running[index] = null;
            _calls.Forget(index);
        }

        _features = FeatureSet.Empty;
        _isAccepted = false;
        Ask(() =>
        {
            _door.WriteStatus(0);
            UnmapAll();
        });
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        _configCall.TryDrain();
        _host?.NotifyConfigChanged();
    }

    /// <summary>Begins with a device in the state of reset.</summary>
    internal void Begin()
    {
        _door.WriteStatus(0);
        if (_loop is not null)
        {
            _loop.Invoke(() => _watch = _loop.Watch(_configCall.Handle, LoopEvents.Readable, this));
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isDisposed)
        {
            _isDisposed = true;
            _loop?.Invoke(() => _watch?.Dispose());
            _door.Dispose();
            _calls.Dispose();
            _configCall.Dispose();
        }

        base.Dispose(disposing);
    }

    private static void Ask(Action action)
    {
        try
        {
            action();
        }
        catch (LinuxException exception)
        {
            throw new DeviceException($"the vDPA bus refuses: {exception.Message}", exception);
        }
    }

    private void Negotiate()
    {
        _door.WriteStatus(0);
        _door.WriteStatus((byte)DeviceStatus.Acknowledge);
        _door.WriteStatus((byte)(DeviceStatus.Acknowledge | DeviceStatus.Driver));
        _door.AcceptFeatures(VhostFeatures.ToKernel(_features | _busFeatures));
        _door.WriteStatus((byte)Negotiated);
        if (!((DeviceStatus)_door.ReadStatus()).HasFlag(DeviceStatus.FeaturesOk))
        {
            throw new DeviceException($"the device on the bus does not work with features {_features}");
        }
    }

    /// <summary>Stops all queues by a reset, and notes where they stand.</summary>
    private void Halt()
    {
        if (!Array.Exists(_running, static setup => setup is not null))
        {
            return;
        }

        _door.WriteStatus(0);
        UnmapAll();
        for (int index = 0; index < _running.Length; index++)
        {
            if (_running[index] is { } setup)
            {
                _running[index] = setup with { State = VhostPosition.OfDrainedSplit(_memory!, setup.Areas) };
            }
        }
    }

    /// <summary>Runs all queues, on a device in the state of reset.</summary>
    private void RunAll()
    {
        Negotiate();
        MapAll();
        foreach (QueueSetup? running in _running)
        {
            if (running is { } setup)
            {
                VhostRing ring = new(
                    setup.Areas.Size,
                    setup.Areas.Descriptors.Value,
                    setup.Areas.Driver.Value,
                    setup.Areas.Device.Value,
                    VhostPosition.OfDrainedSplit(_memory!, setup.Areas).AvailableIndex
                );
                _door.SetRing(setup.Index, in ring);
                _door.SetKick(setup.Index, VhostSignals.DescriptorOf(setup.Kick, setup.Index));
                _door.SetCall(setup.Index, _calls.HandleOf(setup.Index, setup.Call));
                _door.EnableRing(setup.Index, isEnabled: true);
            }
        }

        if (ConfigLengthBytes > 0)
        {
            _door.SetConfigCall(_configCall.Handle);
        }

        _door.WriteStatus((byte)(Negotiated | DeviceStatus.DriverOk));
        foreach (QueueSetup? setup in _running)
        {
            // Kicks may have been lost while nobody took them, and calls while the device was reset.
            setup?.Kick?.Notify();
            setup?.Call?.Notify();
        }
    }

    private void MapAll()
    {
        if (_mapped.Length > 0)
        {
            return;
        }

        VhostRegion[] regions = VhostMemory.RegionsOf(_memory!);
        _door.Map(regions);
        _mapped = regions;
    }

    private void UnmapAll()
    {
        foreach (VhostRegion region in _mapped)
        {
            _door.Unmap(region.Address, region.LengthBytes);
        }

        _mapped = [];
    }
}
