using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Cli.Logging;

namespace Vireo.Cli.Configuration;

/// <summary>How much is logged, and how a line looks. Log lines go to standard error.</summary>
internal sealed class LogOptions
{
    private const string LevelName = "--log-level";

    private readonly Option<string> _level = new(LevelName)
    {
        Description = "What is worth a line on standard error.",
        HelpName = "LEVEL",
        DefaultValueFactory = _ => "info",
    };

    private readonly Option<string> _format = new("--log-format")
    {
        Description = "Lines for people (text), or one JSON object a line for programs (json).",
        HelpName = "FORMAT",
        DefaultValueFactory = _ => "text",
    };

    /// <summary>Makes the options.</summary>
    public LogOptions()
    {
        _level.AcceptOnlyFromAmong("trace", "debug", "info", "warning", "error", "none");
        _format.AcceptOnlyFromAmong("text", "json");
    }

    /// <summary>The level that was asked for, whatever the command; null when there is no such option.</summary>
    public static string? LevelOf(ParseResult result) =>
        result.GetResult(LevelName) is null ? null : result.GetValue<string>(LevelName);

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_level);
        command.Add(_format);
    }

    /// <summary>Makes the log the command line asks for.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="category">What the lines are about, such as the device's name.</param>
    /// <param name="error">Where lines go.</param>
    public ILogger Open(ParseResult result, string category, TextWriter error)
    {
        LogLevel level = result.GetValue(_level) switch
        {
            "trace" => LogLevel.Trace,
            "debug" => LogLevel.Debug,
            "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            "none" => LogLevel.None,
            _ => LogLevel.Information,
        };
        LogFormat format = result.GetValue(_format) is "json" ? LogFormat.Json : LogFormat.Text;
        return new LineLogger(category, level, format, error, TimeProvider.System);
    }
}
