using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Contract;

/// <summary>A device that handles its queues itself: one <see cref="QueueHandler"/> for each queue that runs.</summary>
/// <remarks>What an author derives from. Starting, stopping and binding queues to loops is done here.</remarks>
public abstract class EmulatedDevice : VirtioDevice
{
    private readonly QueueHandler?[] _running;
    private IDeviceHost? _host;
    private GuestMemory? _memory;

    /// <summary>Makes a device with the given queues.</summary>
    /// <param name="queues">The queues, in the order of their indices.</param>
    protected EmulatedDevice(params ReadOnlySpan<QueueTraits> queues)
    {
        Queues = queues.ToArray();
        _running = new QueueHandler?[queues.Length];
    }

    /// <inheritdoc/>
    public sealed override IReadOnlyList<QueueTraits> Queues { get; }

    /// <inheritdoc/>
    public override int ConfigLengthBytes => 0;

    /// <summary>The features the driver accepted; empty before it has.</summary>
    protected FeatureSet Features { get; private set; }

    /// <inheritdoc/>
    public override void ReadConfig(int offset, Span<byte> destination) => destination.Clear();

    /// <inheritdoc/>
    public sealed override void Attach(IDeviceHost host, GuestMemory memory)
    {
        foreach (QueueHandler? handler in _running)
        {
            Invariant.That(handler is null);
        }

        _host = host;
        _memory = memory;
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features) => Features = features;

    /// <inheritdoc/>
    public sealed override void StartQueue(in QueueSetup setup)
    {
        if ((uint)setup.Index >= (uint)Queues.Count)
        {
            throw new DeviceException($"queue {setup.Index}: this device has {Queues.Count} queues");
        }

        if (_running[setup.Index] is not null)
        {
            throw new DeviceException($"queue {setup.Index} runs already");
        }

        if (setup.Areas.Size > Queues[setup.Index].SizeMax)
        {
            throw new DeviceException(
                $"queue {setup.Index}: size {setup.Areas.Size} is larger than the {Queues[setup.Index].SizeMax} this device takes"
            );
        }

        GuestMemory? memory = setup.Memory ?? _memory;
        if (_host is null || memory is null)
        {
            throw new DeviceException($"queue {setup.Index} cannot run before the driver's memory is known");
        }

        var queue = DeviceQueue.Create(setup.Areas, setup.State, memory, Features, setup.Inflight, setup.Log);
        QueueHandler handler = CreateHandler(setup.Index);
        IQueueLoop loop = _host.LoopFor(LoopIndexOf(setup.Index));
        handler.Bind(setup.Index, queue, setup.Call, _host, loop);
        try
        {
            loop.Start(handler, setup.Kick);
        }
        catch
        {
            // The loop refused, so no other thread knows the handler.
            handler.Dispose();
            throw;
        }

        _running[setup.Index] = handler;
    }

    /// <inheritdoc/>
    public sealed override QueueState? StopQueue(int index)
    {
        if ((uint)index >= (uint)_running.Length || _running[index] is not { } handler)
        {
            return null;
        }

        handler.Loop.Stop(handler);
        _running[index] = null;
        handler.Dispose();
        return handler.State;
    }

    /// <inheritdoc/>
    public sealed override QueueState? SuspendQueue(int index)
    {
        if ((uint)index < (uint)_running.Length && _running[index] is { } handler)
        {
            handler.MayAbandon = true;
        }

        return StopQueue(index);
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        for (int index = 0; index < _running.Length; index++)
        {
            StopQueue(index);
        }

        Features = FeatureSet.Empty;
    }

    /// <summary>The home, for what only some homes offer: see the interfaces whose names end in Host. Null before there is one.</summary>
    protected IDeviceHost? Host => _host;

    /// <summary>Makes the data plane of one queue; called each time the queue starts.</summary>
    /// <param name="queueIndex">Which queue; below the number of queues.</param>
    /// <returns>A fresh handler; disposed when the queue has stopped.</returns>
    protected abstract QueueHandler CreateHandler(int queueIndex);

    /// <summary>Which of the home's loops runs a queue: queues that touch each other's data name the same one.</summary>
    /// <param name="queueIndex">Which queue; below the number of queues.</param>
    /// <returns>A number that <see cref="IDeviceHost.LoopFor"/> takes; unless overridden, that of the queue itself.</returns>
    protected virtual int LoopIndexOf(int queueIndex) => queueIndex;

    /// <summary>The handler of a queue that runs, or null.</summary>
    /// <param name="queueIndex">Which queue; below the number of queues.</param>
    protected QueueHandler? HandlerOf(int queueIndex) => _running[queueIndex];

    /// <summary>Tells the driver that the configuration space has changed; before there is a home, nobody.</summary>
    protected void NotifyConfigChanged() => _host?.NotifyConfigChanged();
}
