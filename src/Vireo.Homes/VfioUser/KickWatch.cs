using Vireo.Homes.Loops;
using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser;

/// <summary>Does something on the control thread whenever a driver kicks.</summary>
internal sealed class KickWatch : IDisposable, ILoopWatcher
{
    private readonly EventFdSignal _kick;
    private readonly Action _action;
    private readonly LoopWatch _watch;

    /// <summary>Begins to watch.</summary>
    /// <param name="control">The home's loop.</param>
    /// <param name="kick">The kick; stays the caller's.</param>
    /// <param name="action">What to do.</param>
    public KickWatch(EventLoop control, EventFdSignal kick, Action action)
    {
        _kick = kick;
        _action = action;
        _watch = control.Watch(kick.Handle, LoopEvents.Readable, this);
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (_kick.Descriptor.TryDrain())
        {
            _action();
        }
    }

    /// <summary>Stops watching.</summary>
    public void Dispose() => _watch.Dispose();
}
