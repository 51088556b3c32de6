using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Record;

/// <summary>Stands between front-ends and a back-end, passes everything on, and writes it down.</summary>
/// <remarks><see cref="Run"/> makes its thread the only one that does anything; <see cref="Stop"/> may come from any.</remarks>
internal sealed class Recorder : ILoopWatcher, IDisposable
{
    private readonly EventLoop _loop = new();
    private readonly UnixListener _listener;
    private readonly string _backEndPath;
    private readonly RecordingWriter _recording;
    private readonly ILogger _logger;
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Tells of a front-end that waits; null during a session, when the next one waits in the listener's queue.</summary>
    private LoopWatch? _watch;

    private RecordingSession? _session;
    private int _sessionCount;

    /// <summary>Begins to wait for front-ends.</summary>
    /// <param name="listener">Where they come; becomes this object's.</param>
    /// <param name="backEndPath">Where the back-end listens.</param>
    /// <param name="recording">Where messages are written; stays the caller's.</param>
    /// <param name="logger">Where it is said who comes and goes.</param>
    public Recorder(UnixListener listener, string backEndPath, RecordingWriter recording, ILogger logger)
    {
        _listener = listener;
        _backEndPath = backEndPath;
        _recording = recording;
        _logger = logger;
        _watch = _loop.Watch(listener.Handle, LoopEvents.Readable, this);
    }

    /// <summary>Passes on and records until stopped.</summary>
    public void Run() => _loop.Run();

    /// <summary>Makes <see cref="Run"/> return soon. Any thread.</summary>
    public void Stop() => _loop.Stop();

    /// <inheritdoc/>
    public void Dispose()
    {
        _session?.Dispose();
        _watch?.Dispose();
        _listener.Dispose();
        _loop.Dispose();
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (_listener.TryAccept() is not { } frontEnd)
        {
            return;
        }

        try
        {
            var backEnd = UnixChannel.Connect(_backEndPath);
            _watch?.Dispose();
            _watch = null;
            int number = ++_sessionCount;
            RecordLog.Began(_logger, number);
            // The end may be found out in the middle of a message: what is under our feet goes a moment later.
            _session = new(
                number,
                _loop,
                frontEnd,
                backEnd,
                _recording,
                _start,
                ended: () => _loop.Post(() => EndSession(number))
            );
        }
        catch (LinuxException exception)
        {
            RecordLog.NoBackEnd(_logger, exception.Message);
            frontEnd.Dispose();
        }
    }

    /// <summary>Ends a session; both of its sides may say so.</summary>
    private void EndSession(int number)
    {
        if (_session is { } session && number == _sessionCount)
        {
            RecordLog.Ended(_logger, _sessionCount, session.MessageCount);
            session.Dispose();
            _session = null;
            _watch = _loop.Watch(_listener.Handle, LoopEvents.Readable, this);
        }
    }
}
