using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Record;

/// <summary>One direction of one socket: takes whole messages from one side and hands them to whoever passes them on.</summary>
/// <remarks>Used on the loop's thread.</remarks>
internal sealed class RelayLane : ILoopWatcher, IDisposable
{
    private readonly MessageReader _reader;
    private readonly Action<WireMessage> _pass;
    private readonly Action _end;
    private readonly LoopWatch _watch;

    /// <summary>Begins to take messages.</summary>
    /// <param name="loop">The loop.</param>
    /// <param name="source">Where they come from; stays the caller's.</param>
    /// <param name="pass">Given each message, which stays the lane's.</param>
    /// <param name="end">Told once that no more will come.</param>
    public RelayLane(EventLoop loop, UnixChannel source, Action<WireMessage> pass, Action end)
    {
        _reader = new MessageReader(source);
        _pass = pass;
        _end = end;
        _watch = loop.Watch(source.Handle, LoopEvents.Readable, this);
    }

    /// <inheritdoc/>
    // One message at a time: the loop asks again when there are more.
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (!_reader.TryRead(out WireMessage? message))
        {
            _end();
            return;
        }

        using (message)
        {
            if (message is not null)
            {
                _pass(message);
            }
        }
    }

    /// <summary>Takes no more messages.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _reader.Dispose();
    }
}
