using Microsoft.Extensions.Logging;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.Peers;

/// <summary>Front-ends connect to us.</summary>
internal sealed class ListenerSource : ConnectionSource, ILoopWatcher
{
    /// <summary>How long nothing is accepted after the system had no descriptor left for a connection.</summary>
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(1);

    private readonly UnixListener _listener;
    private readonly Action<UnixChannel> _admit;
    private readonly ILogger _log;
    private readonly LoopWatch _watch;
    private readonly LoopTimer _recovery;

    /// <summary>Begins to accept connections.</summary>
    /// <param name="listener">The socket; becomes this object's.</param>
    /// <param name="admit">Given each connection.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="log">Where it is said what goes wrong.</param>
    public ListenerSource(UnixListener listener, Action<UnixChannel> admit, EventLoop control, ILogger log)
    {
        _listener = listener;
        _admit = admit;
        _log = log;
        _watch = control.Watch(listener.Handle, LoopEvents.Readable, this);
        _recovery = control.StartTimer(
            Timeout.InfiniteTimeSpan,
            TimeSpan.Zero,
            () => _watch.Change(LoopEvents.Readable)
        );
    }

    /// <inheritdoc/>
    public override void Pause()
    {
        _watch.Dispose();
        _recovery.Dispose();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Pause();
        _listener.Dispose();
    }

    /// <inheritdoc/>
    // One connection at a time: the loop asks again when there are more.
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        try
        {
            if (_listener.TryAccept() is { } channel)
            {
                _admit(channel);
            }
        }
        catch (LinuxException exception)
        {
            _log.CannotAccept(exception.Message);
            _watch.Change(LoopEvents.None);
            _recovery.Change(Recovery, TimeSpan.Zero);
        }
    }
}
