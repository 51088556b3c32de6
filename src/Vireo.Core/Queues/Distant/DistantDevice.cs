using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues.Distant;

/// <summary>A device whose queues may lie in memory that is not mapped (decision 0022), or whose writes are logged.</summary>
/// <remarks>
/// A queue whose ring is mapped goes to the device as it is, and so do all when all memory is. One whose ring is not runs in the
/// mirror, with a <see cref="DistantQueue"/> between it and the driver. One control thread.
/// </remarks>
internal sealed class DistantDevice : VirtioDevice
{
    private readonly VirtioDevice _inner;

    /// <summary>The bridges of the queues that run in the mirror.</summary>
    private readonly DistantQueue?[] _bridges;

    private IDeviceHost? _host;

    /// <summary>Where what the device writes is noted; null for nowhere.</summary>
    private DirtyLog? _log;

    /// <summary>The memory; null when all of it is mapped.</summary>
    private DistantMemory? _memory;

    private FeatureSet _features;

    /// <summary>Puts bridges before a device.</summary>
    /// <param name="inner">The device; stays the caller's.</param>
    public DistantDevice(VirtioDevice inner)
    {
        _inner = inner;
        _bridges = new DistantQueue?[inner.Queues.Count];
    }

    /// <inheritdoc/>
    public override DeviceType Type => _inner.Type;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures => _inner.OfferedFeatures;

    /// <inheritdoc/>
    public override FeatureSet RingFeatures => _inner.RingFeatures;

    /// <inheritdoc/>
    public override FeatureSet WritableConfigFeatures => _inner.WritableConfigFeatures;

    /// <inheritdoc/>
    public override IReadOnlyList<QueueTraits> Queues => _inner.Queues;

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
        _memory = memory as DistantMemory;
        _log = memory.DirtyLog;
        _inner.Attach(host, _memory?.Near ?? memory);
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        _inner.Accept(features);
        _features = features;
    }

    /// <inheritdoc/>
    public override void StartQueue(in QueueSetup setup)
    {
        if (_log is not null)
        {
            // Addresses are not translated, so the ring lies in the log where it lies in memory.
            StartHere(setup with { Log = new(_log, setup.Areas.Descriptors, setup.Areas.Device) });
        }
        else
        {
            StartHere(in setup);
        }
    }

    /// <inheritdoc/>
    public override QueueState? StopQueue(int index) => Finish(index, _inner.StopQueue(index));

    /// <inheritdoc/>
    public override QueueState? SuspendQueue(int index) => Finish(index, _inner.SuspendQueue(index));

    /// <inheritdoc/>
    public override void Reset()
    {
        for (int index = 0; index < _bridges.Length; index++)
        {
            StopQueue(index);
        }

        _inner.Reset();
        _features = FeatureSet.Empty;
    }

    private void StartHere(in QueueSetup setup)
    {
        if (
            _memory is not { } memory
            || RingLocator.IsIn(setup.Areas, memory.Near, _features.Contains(CoreFeature.RingPacked))
        )
        {
            _inner.StartQueue(in setup);
            return;
        }

        IDeviceHost host = _host!;
        int index = setup.Index;
        var bridge = DistantQueue.Create(
            memory,
            in setup,
            _features,
            reason => host.ReportLoss($"queue {index}: {reason}")
        );
        _inner.StartQueue(setup with { Memory = memory.Mirror, Kick = bridge.MirrorKick, Call = bridge });
        _bridges[index] = bridge;
        bridge.Start();
    }

    private QueueState? Finish(int index, QueueState? state)
    {
        if ((uint)index < (uint)_bridges.Length && _bridges[index] is { } bridge)
        {
            _bridges[index] = null;
            bridge.Finish();
        }

        return state;
    }
}
