using Microsoft.Extensions.Logging;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.Peers;

/// <summary>We connect to a front-end, over and over.</summary>
internal sealed class ConnectorSource : ConnectionSource
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(2);

    private readonly string _path;
    private readonly Action<UnixChannel> _admit;
    private readonly ILogger _log;
    private readonly LoopTimer _timer;

    /// <summary>How long to wait before the next attempt.</summary>
    private TimeSpan _delay = FirstDelay;

    /// <summary>Whether the log knows already that the front-end is not there.</summary>
    private bool _isFailureKnown;

    private bool _isPaused;

    /// <summary>Begins to connect as soon as the loop runs.</summary>
    /// <param name="path">Where the front-end listens.</param>
    /// <param name="admit">Given each connection.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="log">Where it is said what goes wrong.</param>
    public ConnectorSource(string path, Action<UnixChannel> admit, EventLoop control, ILogger log)
    {
        _path = path;
        _admit = admit;
        _log = log;
        _timer = control.StartTimer(TimeSpan.Zero, TimeSpan.Zero, TryConnect);
    }

    /// <inheritdoc/>
    public override void Pause()
    {
        _isPaused = true;
        _timer.Dispose();
    }

    /// <inheritdoc/>
    public override void OnEnded() => TryLater();

    /// <inheritdoc/>
    public override void Dispose() => Pause();

    private void TryConnect()
    {
        try
        {
            _admit(UnixChannel.Connect(_path));
            _delay = FirstDelay;
            _isFailureKnown = false;
        }
        catch (LinuxException exception)
        {
            if (!_isFailureKnown)
            {
                _isFailureKnown = true;
                _log.CannotConnect(exception.Message);
            }

            TryLater();
        }
    }

    private void TryLater()
    {
        if (_isPaused)
        {
            return;
        }

        _timer.Change(_delay, TimeSpan.Zero);
        _delay = _delay * 2 < LongestDelay ? _delay * 2 : LongestDelay;
    }
}
