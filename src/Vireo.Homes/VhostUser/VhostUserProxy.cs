using System.Numerics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Vhost;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>A device that somebody else's vhost-user back-end implements: its queues are handed on, and never seen here.</summary>
/// <remarks>
/// <para>
/// To a home, or to a driver, a device like any other. Memory must be shared memory (<see cref="MemoryRegion.Backing"/>), kicks
/// event descriptors (<see cref="IDescriptorSignal"/>); calls that are none are passed on by a thread.
/// </para>
/// <para>
/// With a loop, members may be called from any thread: they run on the loop. When the back-end goes away, it is reached again and told
/// everything anew; with an in-flight region (INFLIGHT_SHMFD) it then finishes what its predecessor had begun, so that the driver
/// notices nothing but a pause.
/// </para>
/// <code>
///   connected ──socket closed──▶ away ──reached again, everything told anew──▶ connected
///                                 │
///                                 └──time is over, or it is another device──▶ lost (IDeviceHost.ReportLoss)
/// </code>
/// </remarks>
public sealed partial class VhostUserProxy : VirtioDevice
{
    /// <summary>The largest number of queues: messages name them with eight bits.</summary>
    private const int QueueCountMax = 256;

    /// <summary>First bit behind the features of rings and transports.</summary>
    private const int FirstHighFeature = 50;

    /// <summary>Ring features that concern the rings alone, so that passing them on is enough.</summary>
    private static readonly FeatureSet TransparentRings = FeatureSet.Of(
        CoreFeature.NotifyOnEmpty,
        CoreFeature.AnyLayout,
        CoreFeature.IndirectDescriptors,
        CoreFeature.EventIndex,
        CoreFeature.Version1,
        CoreFeature.RingPacked,
        CoreFeature.InOrder,
        CoreFeature.OrderPlatform
    );

    private readonly VhostUserProxyOptions _options;
    private readonly EventLoop? _loop;
    private readonly ILogger _log;

    /// <summary>Where to reach the back-end again; null when it cannot be.</summary>
    private readonly string? _path;

    private readonly CallBridge _calls = new();

    /// <summary>The queues that run, as they were set up.</summary>
    private readonly QueueSetup?[] _running;

    private VhostUserFrontEnd _frontEnd;
    private IDeviceHost? _host;
    private GuestMemory? _memory;
    private FeatureSet _features;
    private bool _isAccepted;

    /// <summary>Whether the back-end has the memory.</summary>
    private bool _isMemoryShared;

    /// <summary>Kept from the first start of a queue to the reset, over all back-ends in between.</summary>
    private VhostUserInflight? _inflight;

    private bool _isDisposed;

    private VhostUserProxy(VhostUserFrontEnd frontEnd, DeviceType type, string? path, VhostUserProxyOptions options)
    {
        _frontEnd = frontEnd;
        _options = options;
        _loop = options.Loop;
        _log = options.Logger ?? NullLogger.Instance;
        _path = path;
        Type = type;
        OfferedFeatures = DeviceFeaturesOf(frontEnd.OfferedFeatures);
        RingFeatures = frontEnd.OfferedFeatures & TransparentRings;
        ConfigLengthBytes = frontEnd.Uses(ProtocolFeature.Config) ? options.ConfigLengthBytes : 0;
        int count = Math.Min(frontEnd.ReadQueueCount() ?? options.QueueCount, options.QueueCount);
        var queues = new QueueTraits[count];
        for (int index = 0; index < count; index++)
        {
            queues[index] = new($"queue{index}", options.QueueSizeMax);
        }

        Queues = queues;
        _running = new QueueSetup?[count];
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

    /// <summary>Whether the back-end is there now.</summary>
    public bool IsConnected => _frontEnd.IsConnected;

    /// <summary>Whether requests in flight survive the back-end.</summary>
    public bool HasInflight => _frontEnd.Uses(ProtocolFeature.InflightDescriptor);

    /// <summary>Connects to a back-end.</summary>
    /// <param name="path">The socket that it listens on.</param>
    /// <param name="type">The device type, which the protocol does not tell.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="Vireo.Linux.LinuxException">Nobody listens there, or we may not connect.</exception>
    /// <exception cref="DeviceException">The back-end does not speak the protocol.</exception>
    public static VhostUserProxy Connect(string path, DeviceType type, VhostUserProxyOptions? options = null)
    {
        options = Check(options ?? new());
        return Make(VhostUserFrontEnd.Connect(path, options.Connection), type, path, options);
    }

    /// <summary>Takes over a connection to a back-end; when it ends, the device is lost.</summary>
    /// <param name="channel">The connection; becomes the proxy's, and is closed if this fails.</param>
    /// <param name="type">The device type, which the protocol does not tell.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The back-end does not speak the protocol.</exception>
    public static VhostUserProxy Over(UnixChannel channel, DeviceType type, VhostUserProxyOptions? options = null)
    {
        options = Check(options ?? new());
        return Make(VhostUserFrontEnd.Over(channel, options.Connection), type, null, options);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The back-end has not that much configuration space, or has gone.</exception>
    public override void ReadConfig(int offset, Span<byte> destination)
    {
        destination.Clear();
        int end = Math.Min(ConfigLengthBytes, offset + destination.Length);
        if (end <= offset)
        {
            return;
        }

        byte[] space = new byte[end];
        OnLoop(() => _frontEnd.ReadConfig(space));
        space.AsSpan(offset).CopyTo(destination);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The back-end refuses, or has gone.</exception>
    public override void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        int end = Math.Min(ConfigLengthBytes, offset + source.Length);
        if (end > offset)
        {
            byte[] bytes = source[..(end - offset)].ToArray();
            OnLoop(() => _frontEnd.WriteConfig(offset, bytes));
        }
    }

    /// <inheritdoc/>
    public override void Attach(IDeviceHost host, GuestMemory memory) =>
        OnLoop(() =>
        {
            _host = host;
            _memory = memory;
            _isMemoryShared = false;
        });

    /// <inheritdoc/>
    public override void Accept(FeatureSet features) =>
        OnLoop(() =>
        {
            FeatureSet known = features & (OfferedFeatures | RingFeatures);
            Negotiate(_frontEnd, known);
            _features = known;
            _isAccepted = true;
        });

    /// <inheritdoc/>
    public override void StartQueue(in QueueSetup setup)
    {
        QueueSetup copy = setup;
        OnLoop(() => Start(copy));
    }

    /// <inheritdoc/>
    public override QueueState? StopQueue(int index)
    {
        QueueState? state = null;
        OnLoop(() => state = Stop(index));
        return state;
    }

    /// <inheritdoc/>
    public override void Reset() => OnLoop(ResetBackEnd);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isDisposed)
        {
            OnLoop(() =>
            {
                _isDisposed = true;
                EndWatches();
                EndRecovery();
                _frontEnd.Dispose();
                ForgetInflight();
            });
            _calls.Dispose();
        }

        base.Dispose(disposing);
    }

    private static VhostUserProxyOptions Check(VhostUserProxyOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.QueueCount, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.QueueCount, QueueCountMax, nameof(options));
        if (!BitOperations.IsPow2(options.QueueSizeMax) || options.QueueSizeMax > SplitRing.SizeMax)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options),
                $"queue size {options.QueueSizeMax}: a power of two up to {SplitRing.SizeMax}"
            );
        }

        return options with
        {
            Connection = options.Connection with { TakesRequests = options.Loop is not null },
        };
    }

    private static VhostUserProxy Make(
        VhostUserFrontEnd frontEnd,
        DeviceType type,
        string? path,
        VhostUserProxyOptions options
    )
    {
        VhostUserProxy? proxy = null;
        try
        {
            proxy = new(frontEnd, type, path, options);
            proxy.OnLoop(proxy.BeginWatches);
            return proxy;
        }
        catch
        {
            frontEnd.Dispose();
            proxy?.Dispose();
            throw;
        }
    }

    private static FeatureSet DeviceFeaturesOf(FeatureSet offered)
    {
        FeatureSet features = offered.Without(CoreFeature.Rings);
        for (int bit = CoreFeature.NotifyOnEmpty; bit < FirstHighFeature; bit++)
        {
            // What is neither the device's nor the rings' is between driver and transport; this home speaks for itself there.
            bool isNetwork = bit is 41 or 42;
            features = isNetwork ? features : features.Without(bit);
        }

        return features;
    }

    private void OnLoop(Action action)
    {
        try
        {
            if (_loop is null)
            {
                action();
            }
            else
            {
                _loop.Invoke(action);
            }
        }
        catch (DeviceException exception) when (!_frontEnd.IsConnected && !_isDisposed)
        {
            // The watch may not have seen it yet, and the socket it watched is closed.
            _loop?.Post(() => OnLost(exception.Message));
            throw;
        }
    }

    /// <summary>Goes through the steps of VIRTIO 1.4 §3.1.1 up to FEATURES_OK, and sees whether the back-end keeps that bit.</summary>
    /// <exception cref="DeviceException">The back-end refuses the features, or has gone.</exception>
    private static void Negotiate(VhostUserFrontEnd frontEnd, FeatureSet features)
    {
        const DeviceStatus Known = DeviceStatus.Acknowledge | DeviceStatus.Driver;
        frontEnd.WriteStatus(DeviceStatus.Acknowledge);
        frontEnd.WriteStatus(Known);
        frontEnd.AcceptFeatures(features);
        frontEnd.WriteStatus(Known | DeviceStatus.FeaturesOk);
        if (frontEnd.ReadStatus() is { } status && !status.HasFlag(DeviceStatus.FeaturesOk))
        {
            frontEnd.WriteStatus(Known | DeviceStatus.Failed);
            throw new DeviceException($"the back-end does not work with features {features}: its status is {status}");
        }
    }

    private void Start(QueueSetup setup)
    {
        if ((uint)setup.Index >= (uint)_running.Length || _running[setup.Index] is not null)
        {
            throw new DeviceException($"queue {setup.Index} runs already, or is not one of {_running.Length} queues");
        }

        if (_memory is null || !_isAccepted)
        {
            throw new DeviceException($"queue {setup.Index} cannot run before memory and features are known");
        }

        Prepare();
        StartRing(in setup, setup.State);
        _running[setup.Index] = setup;
        _frontEnd.WriteStatus(
            DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk
        );
    }

    /// <summary>Gives the back-end what must be there before the first ring starts.</summary>
    private void Prepare()
    {
        if (_isMemoryShared)
        {
            return;
        }

        _inflight ??= _frontEnd.GetInflight(_running.Length, _options.QueueSizeMax);
        if (_inflight is not null)
        {
            _frontEnd.SetInflight(_inflight);
        }

        _frontEnd.ShareMemory(_memory!);
        _isMemoryShared = true;
    }

    private void StartRing(in QueueSetup setup, QueueState state) =>
        _frontEnd.StartRing(
            setup.Index,
            setup.Areas,
            state,
            _features.Contains(CoreFeature.RingPacked),
            VhostSignals.DescriptorOf(setup.Kick, setup.Index),
            _calls.HandleOf(setup.Index, setup.Call)
        );

    private QueueState? Stop(int index)
    {
        if ((uint)index >= (uint)_running.Length || _running[index] is not { } setup)
        {
            return null;
        }

        _running[index] = null;
        QueueState? state = _frontEnd.IsConnected
            ? _frontEnd.StopRing(index, _features.Contains(CoreFeature.RingPacked))
            : StateAfterLoss(in setup);
        _calls.Forget(index);
        return state;
    }

    private void ResetBackEnd()
    {
        try
        {
            for (int index = 0; index < _running.Length; index++)
            {
                Stop(index);
            }

            if (_frontEnd.IsConnected && !_frontEnd.TryResetDevice())
            {
                _frontEnd.WriteStatus(DeviceStatus.None);
            }
        }
        catch (DeviceException) when (!_frontEnd.IsConnected)
        {
            // Gone: there is nothing left to be reset, and whoever comes back begins anew.
        }

        Array.Clear(_running);
        ForgetInflight();
        _features = FeatureSet.Empty;
        _isAccepted = false;
        _isMemoryShared = false;
    }

    private void ForgetInflight()
    {
        _inflight?.Dispose();
        _inflight = null;
    }
}
