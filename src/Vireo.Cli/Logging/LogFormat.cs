namespace Vireo.Cli.Logging;

/// <summary>How a log line looks.</summary>
internal enum LogFormat
{
    /// <summary>Time, level, category, message: for people.</summary>
    Text,

    /// <summary>One JSON object a line: for programs.</summary>
    Json,
}
