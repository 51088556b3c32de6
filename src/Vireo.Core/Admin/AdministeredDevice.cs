using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Admin;

/// <summary>A device with an administration virtqueue behind its own queues.</summary>
/// <remarks>
/// It passes everything on to the device but that queue. When the driver stops the device by a command, its queues are parked here:
/// to the home they run, and in truth they stand still. One control thread, except what <see cref="IDeviceHost"/> allows.
/// </remarks>
internal sealed class AdministeredDevice : VirtioDevice, IDeviceHost
{
    /// <summary>Commands are few, and each is done before the next is looked at.</summary>
    private const ushort AdminQueueSizeMax = 64;

    private readonly VirtioDevice _inner;
    private readonly ControlLoop _loop = new();

    /// <summary>The queues of the device that the home has started, as they were when they started last.</summary>
    private readonly QueueSetup?[] _setups;

    private IDeviceHost? _host;
    private GuestMemory? _memory;
    private FeatureSet _features;
    private AdminQueueHandler? _handler;

    /// <summary>Whether the driver has stopped the device. Written by the control thread, read by whoever announces a change.</summary>
    private volatile bool _isStopped;

    /// <summary>1 while a change of the configuration is not announced because the device is stopped.</summary>
    private int _isConfigChangeKept;

    /// <summary>Adds an administration virtqueue to a device.</summary>
    /// <param name="inner">The device; stays the caller's.</param>
    public AdministeredDevice(VirtioDevice inner)
    {
        _inner = inner;
        Queues = [.. inner.Queues, new QueueTraits("adminq", AdminQueueSizeMax)];
        _setups = new QueueSetup?[inner.Queues.Count];
    }

    /// <summary>The device without the queue.</summary>
    public VirtioDevice Inner => _inner;

    /// <summary>What carries out the commands; set before anything runs.</summary>
    public SelfGroup Group { get; set; } = null!;

    /// <summary>Index of the administration virtqueue: the first one behind the device's own.</summary>
    public int AdminIndex => _setups.Length;

    /// <summary>What the driver's kicks of that queue run.</summary>
    public ISignal Kick => _loop;

    /// <summary>Whether the driver has stopped the device.</summary>
    public bool IsStopped => _isStopped;

    /// <inheritdoc/>
    public override DeviceType Type => _inner.Type;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures => _inner.OfferedFeatures.With(CoreFeature.AdminQueue);

    /// <inheritdoc/>
    public override FeatureSet RingFeatures => _inner.RingFeatures;

    /// <inheritdoc/>
    public override IReadOnlyList<QueueTraits> Queues { get; }

    /// <inheritdoc/>
    public override int ConfigLengthBytes => _inner.ConfigLengthBytes;

    /// <inheritdoc/>
    public override IReadOnlyList<SharedRegion> SharedRegions => _inner.SharedRegions;

    /// <inheritdoc/>
    public override void ReadConfig(int offset, Span<byte> destination) => _inner.ReadConfig(offset, destination);

    /// <inheritdoc/>
    public override void WriteConfig(int offset, ReadOnlySpan<byte> source) => _inner.WriteConfig(offset, source);

    /// <inheritdoc/>
    public override void Attach(IDeviceHost host, GuestMemory memory)
    {
        _host = host;
        _memory = memory;
        _inner.Attach(this, memory);
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        _inner.Accept(features.Without(CoreFeature.AdminQueue));
        _features = features;
    }

    /// <inheritdoc/>
    public override void StartQueue(in QueueSetup setup)
    {
        if (setup.Index == AdminIndex)
        {
            StartAdmin(in setup);
            return;
        }

        if (!_isStopped)
        {
            _inner.StartQueue(in setup);
        }

        _setups[setup.Index] = setup;
    }

    /// <inheritdoc/>
    public override QueueState? StopQueue(int index)
    {
        if (index == AdminIndex)
        {
            return StopAdmin();
        }

        if ((uint)index >= (uint)_setups.Length || _setups[index] is not { } setup)
        {
            return null;
        }

        _setups[index] = null;
        return _isStopped ? setup.State : _inner.StopQueue(index);
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        StopAdmin();
        _setups.AsSpan().Clear();
        _isStopped = false;
        // Full: what was kept for the driver before the reset is not announced to the one after it.
        Interlocked.Exchange(ref _isConfigChangeKept, 0);
        _inner.Reset();
        _features = FeatureSet.Empty;
        Group.Reset();
    }

    /// <summary>Stops the device's own queues; those in flight are waited for, so that nothing touches them after it returns.</summary>
    public void StopDevice()
    {
        if (_isStopped)
        {
            return;
        }

        _isStopped = true;
        for (int index = 0; index < _setups.Length; index++)
        {
            if (_setups[index] is not { } setup)
            {
                continue;
            }

            if (_inner.StopQueue(index) is { } state)
            {
                _setups[index] = setup with { State = state };
            }
            else
            {
                _host!.ReportLoss($"queue {index} was lost by whoever ran it");
            }
        }
    }

    /// <summary>Lets the device's own queues go on where they stood.</summary>
    public void ResumeDevice()
    {
        if (!_isStopped)
        {
            return;
        }

        _isStopped = false;
        for (int index = 0; index < _setups.Length; index++)
        {
            Resume(index);
        }

        // Full: whoever announces a change sees either that the device runs, or that its change is announced here.
        if (Interlocked.Exchange(ref _isConfigChangeKept, 0) != 0)
        {
            _host?.NotifyConfigChanged();
        }
    }

    /// <summary>Reads memory of the driver's.</summary>
    /// <returns>False when there is no such memory.</returns>
    public bool TryReadMemory(GuestAddress address, Span<byte> destination) =>
        _memory is { } memory && memory.TryRead(address, destination);

    /// <inheritdoc/>
    public IQueueLoop LoopFor(int queueIndex) => _host!.LoopFor(queueIndex);

    /// <inheritdoc/>
    public void NotifyConfigChanged()
    {
        // Full: noted first, so that a device that goes on meanwhile announces it.
        Interlocked.Exchange(ref _isConfigChangeKept, 1);
        // Full: of this thread and the one that lets the device go on, one announces the change.
        if (!_isStopped && Interlocked.Exchange(ref _isConfigChangeKept, 0) != 0)
        {
            _host!.NotifyConfigChanged();
        }
    }

    /// <inheritdoc/>
    public void ReportFault(int queueIndex, QueueFault fault) => _host!.ReportFault(queueIndex, fault);

    /// <inheritdoc/>
    public void ReportLoss(string reason) => _host!.ReportLoss(reason);

    private void Resume(int index)
    {
        if (_setups[index] is not { } setup)
        {
            return;
        }

        try
        {
            _inner.StartQueue(in setup);
        }
        catch (RingException exception)
        {
            Lose(index, exception.Message);
        }
        catch (DeviceException exception)
        {
            Lose(index, exception.Message);
        }
    }

    /// <summary>A queue cannot go on; a command has no other way to say it.</summary>
    private void Lose(int index, string reason)
    {
        _setups[index] = null;
        _host!.ReportLoss($"queue {index}: {reason}");
    }

    private void StartAdmin(in QueueSetup setup)
    {
        if (!_features.Contains(CoreFeature.AdminQueue))
        {
            throw new DeviceException($"queue {setup.Index} is for drivers that accepted ADMIN_VQ");
        }

        var queue = DeviceQueue.Create(setup.Areas, setup.State, _memory!, _features, setup.Inflight, setup.Log);
        AdminQueueHandler handler = new(Group);
        handler.Bind(setup.Index, queue, setup.Call, _host!, _loop);
        _handler = handler;
        _loop.Start(handler, setup.Kick);
    }

    private QueueState? StopAdmin()
    {
        if (_handler is not { } handler)
        {
            return null;
        }

        _handler = null;
        _loop.Stop(handler);
        handler.Dispose();
        return handler.State;
    }
}
