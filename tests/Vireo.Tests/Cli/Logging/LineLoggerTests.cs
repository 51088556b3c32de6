using System.Text.Json;
using Microsoft.Extensions.Logging;
using Vireo.Cli.Logging;

namespace Vireo.Tests.Cli.Logging;

public sealed class LineLoggerTests
{
    [Fact]
    public void Log_Text_IsOneLineWithLevelAndCategory() =>
        Assert.Matches(
            @"^\d\d:\d\d:\d\d\.\d{3} info    block: queue 3 says hello\n$",
            Lines(LogLevel.Information, LogFormat.Text, log => TestMessages.QueueSays(log, 3, "hello"))
        );

    [Fact]
    public void Log_BelowLevel_IsNothing() =>
        Assert.Empty(Lines(LogLevel.Warning, LogFormat.Text, log => TestMessages.QueueSays(log, 3, "hello")));

    [Fact]
    public void Log_LevelNone_IsNothingAtAll() =>
        Assert.Empty(Lines(LogLevel.None, LogFormat.Text, TestMessages.NothingWorks));

    [Fact]
    public void Log_ControlCharacters_CannotBeginALineOrMoveTheCursor() =>
        Assert.EndsWith(
            "says a\\x0ab\\x1b[2J\n",
            Lines(LogLevel.Information, LogFormat.Text, log => TestMessages.QueueSays(log, 3, "a\nb\u001b[2J")),
            StringComparison.Ordinal
        );

    [Fact]
    public void Log_Exception_ShowsItsPlaceOnlyWhenTracing()
    {
        Exception exception = Thrown();

        string quiet = Lines(LogLevel.Debug, LogFormat.Text, log => TestMessages.Failed(log, exception));
        string tracing = Lines(LogLevel.Trace, LogFormat.Text, log => TestMessages.Failed(log, exception));

        Assert.EndsWith("failed (broken)\n", quiet, StringComparison.Ordinal);
        Assert.Contains(nameof(Thrown), tracing, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_Json_IsOneObjectWithItsValues()
    {
        string lines = Lines(
            LogLevel.Information,
            LogFormat.Json,
            log => TestMessages.QueueSays(log, 3, "\"quoted\"\n")
        );

        string line = Assert.Single(lines.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        using var json = JsonDocument.Parse(line);
        Assert.Equal("info", json.RootElement.GetProperty("level").GetString());
        Assert.Equal("block", json.RootElement.GetProperty("category").GetString());
        Assert.Equal("QueueSays", json.RootElement.GetProperty("event").GetString());
        Assert.Equal("queue 3 says \"quoted\"\n", json.RootElement.GetProperty("message").GetString());
        Assert.Equal("3", json.RootElement.GetProperty("values").GetProperty("Queue").GetString());
        Assert.True(json.RootElement.GetProperty("time").TryGetDateTimeOffset(out _));
    }

    private static string Lines(LogLevel level, LogFormat format, Action<ILogger> log)
    {
        using var lines = new StringWriter();
        log(new LineLogger("block", level, format, lines, TimeProvider.System));
        return lines.ToString();
    }

    private static InvalidOperationException Thrown()
    {
        try
        {
            throw new InvalidOperationException("broken");
        }
        catch (InvalidOperationException exception)
        {
            return exception;
        }
    }
}
