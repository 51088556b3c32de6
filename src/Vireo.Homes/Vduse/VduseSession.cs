using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>One opening of a VDUSE device: answers the kernel's messages and brings the device to where the driver wants it.</summary>
/// <remarks>
/// <code>
///   status 0 ──FEATURES_OK: features read──▶ negotiated ──DRIVER_OK: queues read, kicks given──▶ queues run
///      ▲                                                                                           │
///      └─────────── status 0: queues stopped, memory unmapped, records cleared ◀───────────────────┘
/// </code>
/// Used by the home's control thread only, except what <see cref="IDeviceHost"/> allows.
/// </remarks>
internal sealed class VduseSession : ILoopWatcher, IDeviceHost, IDisposable
{
    /// <summary>Messages handled before other work of the control loop has its turn.</summary>
    private const int MessagesPerTurnMax = 64;

    /// <summary>The features beside the device's own: only what works and is tested.</summary>
    /// <remarks>ACCESS_PLATFORM is not a choice: the kernel takes no device without it, and all addresses are the bus's.</remarks>
    private static readonly FeatureSet HomeFeatures = FeatureSet.Of(
        CoreFeature.IndirectDescriptors,
        CoreFeature.EventIndex,
        CoreFeature.Version1,
        CoreFeature.AccessPlatform,
        CoreFeature.RingPacked,
        CoreFeature.InOrder,
        CoreFeature.OrderPlatform
    );

    private readonly IVduseDevice _door;
    private readonly VduseState _state;
    private readonly VirtioDevice _device;
    private readonly EventLoop _control;
    private readonly QueueLoop[] _loops;
    private readonly ILogger _log;
    private readonly DeviceLifecycle _lifecycle;
    private readonly VduseMemory _memory;
    private readonly VduseQueueEnds[] _ends;
    private readonly Action _configChanged;
    private LoopWatch? _watch;

    /// <summary>Brings a device behind an open door, in the state of reset.</summary>
    /// <param name="door">The opened device; becomes the session's.</param>
    /// <param name="state">What a predecessor left, or a new file; stays the caller's.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="options">What is not to be as usual.</param>
    /// <param name="control">The home's own loop.</param>
    /// <param name="loops">The loops that queues are dealt out to, in turn.</param>
    /// <param name="log">Where it is said what the driver does.</param>
    public VduseSession(
        IVduseDevice door,
        VduseState state,
        VirtioDevice device,
        VduseOptions options,
        EventLoop control,
        QueueLoop[] loops,
        ILogger log
    )
    {
        _door = door;
        _state = state;
        _device = device;
        _control = control;
        _loops = loops;
        _log = log;
        _memory = new(door, log, options.OwnsBounceBuffers);
        _lifecycle = MakeLifecycle(device, options.WithheldFeatures);
        _lifecycle.NeedsResetRaised = reason => _log.DeviceIsLost(reason);
        _configChanged = UpdateConfig;
        _ends = new VduseQueueEnds[device.Queues.Count];
        for (int index = 0; index < _ends.Length; index++)
        {
            _ends[index] = new(door, index, control);
        }
    }

    /// <summary>Called when the kernel has given the device up, with the reason: nothing more can come.</summary>
    public Action<string>? Ended { get; set; }

    /// <summary>The device's status machine.</summary>
    internal DeviceLifecycle Lifecycle => _lifecycle;

    /// <summary>The driver's memory.</summary>
    internal VduseMemory Memory => _memory;

    /// <summary>What a home of this kind offers for a device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="withheld">Features not to be offered.</param>
    public static FeatureSet FeaturesOf(VirtioDevice device, FeatureSet withheld) =>
        MakeLifecycle(device, withheld).Offered;

    /// <summary>Sets the queues up and begins to answer messages; goes on where a predecessor stopped.</summary>
    /// <exception cref="DeviceException">It cannot go on from there.</exception>
    /// <exception cref="LinuxException">The kernel has given the device up.</exception>
    public void Begin()
    {
        _device.Attach(this, _memory);
        for (int index = 0; index < _ends.Length; index++)
        {
            _door.SetUpQueue(index, _device.Queues[index].SizeMax);
        }

        if (_state.Status != DeviceStatus.None)
        {
            Resume(_state.Status);
        }

        _watch = _control.Watch(_door.Handle, LoopEvents.Readable, this);
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (events.HasFlag(LoopEvents.Error))
        {
            End(
                "the kernel has given the device up, because a message was not answered in time; remove it and begin anew"
            );
            return;
        }

        try
        {
            for (int count = 0; count < MessagesPerTurnMax && _door.TryReceive(out VduseRequest request); count++)
            {
                _log.Received(request);
                _door.TryAnswer(Handle(in request));
            }
        }
        catch (LinuxException exception)
        {
            End(exception.Message);
        }
    }

    /// <inheritdoc/>
    IQueueLoop IDeviceHost.LoopFor(int queueIndex) => _loops[queueIndex % _loops.Length];

    /// <inheritdoc/>
    void IDeviceHost.NotifyConfigChanged() => _control.Post(_configChanged);

    /// <inheritdoc/>
    void IDeviceHost.ReportFault(int queueIndex, QueueFault fault) =>
        _control.Post(() =>
        {
            _log.RingIsBroken(queueIndex, fault);
            _lifecycle.MarkNeedsReset();
        });

    /// <inheritdoc/>
    void IDeviceHost.ReportLoss(string reason) => _control.Post(() => _lifecycle.MarkNeedsReset(reason));

    /// <summary>Stops the queues, which leaves nothing in flight, and closes the door; the kernel keeps the device.</summary>
    public void Dispose()
    {
        _watch?.Dispose();
        _lifecycle.Reset();
        _memory.Dispose();
        foreach (VduseQueueEnds ends in _ends)
        {
            ends.Dispose();
        }

        _door.Dispose();
    }

    /// <summary>Does what a message says.</summary>
    /// <returns>The answer.</returns>
    internal VduseAnswer Handle(in VduseRequest request)
    {
        switch (request.Kind)
        {
            case VduseRequestKind.SetStatus:
                return new(request.Id, SetStatus((DeviceStatus)request.Status));
            case VduseRequestKind.UpdateMappings:
                return new(request.Id, TryForget(request.First, request.Last));
            case VduseRequestKind.GetQueueState when request.Queue < (uint)_ends.Length:
                return new(request.Id, IsGood: true, request.Queue, PositionOf((int)request.Queue));
            case VduseRequestKind.GetQueueState:
                return Refuse(in request, $"queue {request.Queue} was named, and the device has {_ends.Length}");
            default:
                return Refuse(in request, "it is unknown");
        }
    }

    private static DeviceLifecycle MakeLifecycle(VirtioDevice device, FeatureSet withheld)
    {
        // The driver cannot write the configuration space here, and no more than 64 features fit into a message.
        FeatureSet none = withheld | device.WritableConfigFeatures | new FeatureSet(0, ulong.MaxValue);
        return new(device, HomeFeatures, FeatureSet.Of(CoreFeature.Version1), none);
    }

    private VduseAnswer Refuse(in VduseRequest request, string reason)
    {
        _log.Refused(request.Kind, reason);
        return new(request.Id, IsGood: false);
    }

    private bool SetStatus(DeviceStatus status)
    {
        if (status == DeviceStatus.None)
        {
            Reset();
            return true;
        }

        bool isGood = Advance(status);
        // Before the answer: whoever comes after a crash in between is sent the message again.
        _state.Status = _lifecycle.Status & ~DeviceStatus.NeedsReset;
        return isGood;
    }

    /// <summary>Brings the status machine to a status, as far as it is legal.</summary>
    /// <returns>Whether it came there.</returns>
    private bool Advance(DeviceStatus status)
    {
        FeatureSet features = FeatureSet.Empty;
        if (status.HasFlag(DeviceStatus.FeaturesOk) && !_lifecycle.Status.HasFlag(DeviceStatus.FeaturesOk))
        {
            features = new(_door.ReadDriverFeatures());
        }

        _lifecycle.WriteStatus(status & ~DeviceStatus.DriverOk | DeviceStatus.Acknowledge, features);
        bool isNegotiated = _lifecycle.Status.HasFlag(DeviceStatus.FeaturesOk);
        if (status.HasFlag(DeviceStatus.FeaturesOk) && !isNegotiated)
        {
            _log.FeaturesRefused($"{features} of {_lifecycle.Offered}");
            return false;
        }

        if (status.HasFlag(DeviceStatus.DriverOk) && !_lifecycle.IsLive)
        {
            if (!isNegotiated)
            {
                _log.Refused(VduseRequestKind.SetStatus, "DRIVER_OK came before FEATURES_OK");
                return false;
            }

            EnableQueues();
            _lifecycle.WriteStatus(status, features);
            _log.DriverIsReady(_lifecycle.Negotiated);
            return !_lifecycle.Status.HasFlag(DeviceStatus.NeedsReset);
        }

        return true;
    }

    private void EnableQueues()
    {
        bool isPacked = _lifecycle.Negotiated.Contains(CoreFeature.RingPacked);
        for (int index = 0; index < _ends.Length; index++)
        {
            VduseQueue queue = _door.ReadQueue(index);
            ushort sizeMax = _device.Queues[index].SizeMax;
            if (!queue.IsReady || queue.Size == 0)
            {
                continue;
            }

            if (queue.Size > sizeMax)
            {
                _lifecycle.MarkNeedsReset(
                    $"queue {index} was given {queue.Size} descriptors, and takes 1 to {sizeMax}"
                );
                continue;
            }

            QueueAreas areas = new((ushort)queue.Size, new(queue.Descriptors), new(queue.Driver), new(queue.Device));
            VdusePosition position = isPacked ? queue.Packed : queue.Split;
            VduseQueueEnds ends = _ends[index];
            _door.SetKick(index, ends.Kick.Descriptor);
            _lifecycle.EnableQueue(
                new(index, areas, StateOf(position), ends.Kick, ends.Call, _state.RegionOf(index, sizeMax))
            );
        }
    }

    private static QueueState StateOf(VdusePosition position) =>
        new(
            position.AvailableIndex,
            position.IsPacked ? position.UsedIndex : position.AvailableIndex,
            position.AvailableWrap,
            position.UsedWrap
        );

    /// <summary>Where a queue stands; one that runs is stopped for a moment, so that what it has completed is counted.</summary>
    private VdusePosition PositionOf(int index)
    {
        bool isPacked = _lifecycle.Negotiated.Contains(CoreFeature.RingPacked);
        if (_lifecycle.SetupOf(index) is null)
        {
            VduseQueue queue = _door.ReadQueue(index);
            return isPacked ? queue.Packed : queue.Split;
        }

        _lifecycle.Hold();
        QueueState state = _lifecycle.SetupOf(index)!.Value.State;
        _lifecycle.Release();
        return new(isPacked, state.AvailableIndex, state.AvailableWrap, state.UsedIndex, state.UsedWrap);
    }

    /// <summary>Forgets the memory of a range; requests that use it are completed first.</summary>
    private bool TryForget(ulong first, ulong last)
    {
        if (last < first)
        {
            _log.Refused(VduseRequestKind.UpdateMappings, $"a range from {first:x} to {last:x}");
            return false;
        }

        if (_memory.Overlaps(first, last))
        {
            _lifecycle.Hold();
            _memory.Forget(first, last);
            _lifecycle.Release();
        }

        return true;
    }

    private void Reset()
    {
        bool wasInUse = _lifecycle.Status != DeviceStatus.None;
        _lifecycle.Reset();
        foreach (VduseQueueEnds ends in _ends)
        {
            ends.Call.Cancel();
        }

        // The kernel says nothing of the pages of rings that it frees, and may map others at their addresses.
        _memory.Forget(0, ulong.MaxValue);
        _state.ForgetQueues();
        _state.Status = DeviceStatus.None;
        if (wasInUse)
        {
            _log.WasReset();
        }
    }

    /// <summary>Goes on where a predecessor stopped, or was stopped.</summary>
    private void Resume(DeviceStatus status)
    {
        if (!Advance(status))
        {
            throw new DeviceException(
                $"the device on the bus has status {status}, which cannot be reached any more with the features its driver chose; remove it and begin anew"
            );
        }

        _log.Resumed(status);
        // The space may have changed in between; the driver compares for itself.
        UpdateConfig();
        for (int index = 0; index < _ends.Length; index++)
        {
            if (_lifecycle.IsRunning(index))
            {
                // The predecessor may have published without calling.
                _ends[index].Call.Notify();
            }
        }
    }

    private void UpdateConfig()
    {
        if (_device.ConfigLengthBytes == 0)
        {
            return;
        }

        byte[] space = new byte[_device.ConfigLengthBytes];
        _device.ReadConfig(0, space);
        try
        {
            _door.WriteConfig(0, space);
            _door.TryCallConfig();
        }
        catch (LinuxException exception)
        {
            End(exception.Message);
        }
    }

    private void End(string reason)
    {
        _watch?.Dispose();
        _watch = null;
        _log.DeviceIsLost(reason);
        Ended?.Invoke(reason);
    }
}
