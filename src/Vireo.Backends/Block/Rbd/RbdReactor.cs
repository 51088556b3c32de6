using Vireo.Backends.Block.Engines;
using Vireo.Linux.Events;
using Vireo.Linux.Rbd;

namespace Vireo.Backends.Block.Rbd;

/// <summary>Wakes up when librbd has ended requests and hands them to their channels. On the first loop, for all queues.</summary>
internal sealed class RbdReactor(RbdDisk disk, EventLoop loop) : LoopMember(loop), ILoopWatcher
{
    private const int BatchMax = 32;

    private readonly RbdEvent[] _batch = new RbdEvent[BatchMax];
    private LoopWatch? _watch;

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events)
    {
        // Before anything is taken: what ends from here on signals again.
        disk.Image.Events.TryDrain();
        Activate();
    }

    /// <inheritdoc/>
    protected override bool Run() => disk.Deliver(_batch);

    /// <inheritdoc/>
    protected override bool TryArm() => !disk.Deliver(_batch);

    /// <inheritdoc/>
    private protected override void OnStarted(EventLoop loop) =>
        _watch = loop.Watch(disk.Image.Events.Handle, LoopEvents.Readable, this);

    /// <inheritdoc/>
    private protected override void OnStopped()
    {
        _watch?.Dispose();
        _watch = null;
    }
}
