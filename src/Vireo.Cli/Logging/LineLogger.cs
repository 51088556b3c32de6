using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Vireo.Cli.Logging;

/// <summary>Writes each log message as one line.</summary>
/// <remarks>
/// Any thread may log; a line is written whole, before the call returns, so that nothing is lost at the end. The ready-made
/// console logger costs 75 ms of a start that takes 100 (docs/decisions/0005-dependencies.md).
/// </remarks>
internal sealed class LineLogger(
    string category,
    LogLevel level,
    LogFormat format,
    TextWriter error,
    TimeProvider clock
) : ILogger
{
    private const string OriginalFormat = "{OriginalFormat}";

    private static readonly JsonWriterOptions JsonOptions = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Lock _oneLineAtATime = new();

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= level;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string message = formatter(state, exception);
        string line =
            format == LogFormat.Json
                ? ToJson(logLevel, eventId, state, exception, message)
                : ToText(logLevel, exception, message);
        lock (_oneLineAtATime)
        {
            error.WriteLine(line);
        }
    }

    private string ToText(LogLevel logLevel, Exception? exception, string message)
    {
        var line = new StringBuilder();
        line.Append(clock.GetLocalNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture));
        line.Append(' ').Append(NameOf(logLevel).PadRight(7)).Append(' ').Append(category).Append(": ");
        AppendPrintable(line, message);
        if (exception is not null)
        {
            // The place in the program is for those who asked to see everything.
            AppendPrintable(line.Append(" ("), level == LogLevel.Trace ? exception.ToString() : exception.Message);
            line.Append(')');
        }

        return line.ToString();
    }

    /// <summary>A name chosen by a peer must not move the cursor or begin a new line.</summary>
    private static void AppendPrintable(StringBuilder line, string text)
    {
        foreach (char character in text)
        {
            if (char.IsControl(character))
            {
                line.Append(CultureInfo.InvariantCulture, $"\\x{(int)character:x2}");
            }
            else
            {
                line.Append(character);
            }
        }
    }

    private string ToJson<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        string message
    )
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonOptions))
        {
            json.WriteStartObject();
            json.WriteString("time", clock.GetUtcNow());
            json.WriteString("level", NameOf(logLevel));
            json.WriteString("category", category);
            if (eventId.Name is { } name)
            {
                json.WriteString("event", name);
            }

            json.WriteString("message", message);
            WriteValues(json, state);
            if (exception is not null)
            {
                json.WriteString("exception", level == LogLevel.Trace ? exception.ToString() : exception.Message);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteValues<TState>(Utf8JsonWriter json, TState state)
    {
        if (state is not IReadOnlyList<KeyValuePair<string, object?>> values)
        {
            return;
        }

        json.WriteStartObject("values");
        for (int index = 0; index < values.Count; index++)
        {
            (string key, object? value) = values[index];
            if (key is not OriginalFormat)
            {
                json.WriteString(key, Convert.ToString(value, CultureInfo.InvariantCulture));
            }
        }

        json.WriteEndObject();
    }

    private static string NameOf(LogLevel logLevel) =>
        logLevel switch
        {
            LogLevel.Trace => "trace",
            LogLevel.Debug => "debug",
            LogLevel.Information => "info",
            LogLevel.Warning => "warning",
            _ => "error",
        };
}
