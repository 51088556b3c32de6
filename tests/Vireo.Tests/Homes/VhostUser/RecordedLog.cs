using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Keeps the lines of a log.</summary>
internal sealed class RecordedLog : ILogger
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    ) => Lines.Enqueue($"{logLevel}: {formatter(state, exception)}");

    public bool Holds(string text) => Lines.Any(line => line.Contains(text, StringComparison.Ordinal));
}
