using Microsoft.Extensions.Logging;

namespace Vireo.Homes.Peers;

/// <summary>Writes lines about the peers of one home: with its name, and not without end.</summary>
/// <remarks>A burst of lines comes through, then one from time to time, because a peer must not fill the disk.</remarks>
internal sealed class PeerLogger : ILogger
{
    /// <summary>Lines that may come at once.</summary>
    private const int BurstMax = 30;

    /// <summary>Time after which one more line may come.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    private readonly ILogger _inner;
    private readonly string _home;
    private readonly TimeProvider _time;
    private long _lastRefill;
    private int _left = BurstMax;
    private int _suppressed;

    /// <summary>Makes a logger.</summary>
    /// <param name="inner">Where the lines go.</param>
    /// <param name="home">What the lines begin with, such as the home's path.</param>
    /// <param name="time">The clock that limits the lines.</param>
    public PeerLogger(ILogger inner, string home, TimeProvider time)
    {
        _inner = inner;
        _home = home;
        _time = time;
        _lastRefill = time.GetTimestamp();
    }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => _inner.BeginScope(state);

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => _inner.IsEnabled(logLevel);

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        if (logLevel < LogLevel.Information)
        {
            // Whoever asks for details gets all of them.
            _inner.Log(logLevel, eventId, state, exception, (line, error) => $"{_home}: {formatter(line, error)}");
            return;
        }

        Refill();
        if (_left == 0)
        {
            _suppressed++;
            return;
        }

        _left--;
        string note = _suppressed > 0 ? $" ({_suppressed} lines were left out before this one)" : "";
        _suppressed = 0;
        _inner.Log(logLevel, eventId, state, exception, (line, error) => $"{_home}: {formatter(line, error)}{note}");
    }

    private void Refill()
    {
        long periods = _time.GetElapsedTime(_lastRefill).Ticks / Period.Ticks;
        if (periods > 0)
        {
            _left = (int)Math.Min(BurstMax, _left + periods);
            _lastRefill = _time.GetTimestamp();
        }
    }
}
