using Microsoft.Extensions.Logging;

namespace Vireo.Cli.Commands;

/// <summary>What the block command says.</summary>
internal static partial class BlockLog
{
    [LoggerMessage(500, LogLevel.Information, "'{Path}': {Sectors} sectors, {Engine}")]
    public static partial void Opened(ILogger logger, string path, long sectors, string engine);

    [LoggerMessage(
        501,
        LogLevel.Warning,
        "the disk has stopped because {Why}; requests wait until SIGHUP lets it go on"
    )]
    public static partial void Stopped(ILogger logger, string why);

    [LoggerMessage(502, LogLevel.Information, "'{Path}' has {Sectors} sectors now")]
    public static partial void Resized(ILogger logger, string path, long sectors);

    [LoggerMessage(
        503,
        LogLevel.Warning,
        "'{Path}': {Count} zones were found in a state that cannot be, and are offline"
    )]
    public static partial void DamagedZones(ILogger logger, string path, int count);

    [LoggerMessage(504, LogLevel.Warning, "'{Path}' cannot be looked at: {Why}")]
    public static partial void NotRefreshed(ILogger logger, string path, string why);

    [LoggerMessage(505, LogLevel.Information, "'{Path}': {Format}, {Sectors} sectors, {Engine}")]
    public static partial void OpenedImage(ILogger logger, string path, string format, long sectors, string engine);

    [LoggerMessage(
        506,
        LogLevel.Warning,
        "'{Path}': nothing was said of its format, and it begins like a raw disk; writes that would make it begin like another format will fail; say --format raw if it is one"
    )]
    public static partial void Guessed(ILogger logger, string path);

    [LoggerMessage(507, LogLevel.Warning, "{Sentence}")]
    public static partial void Warned(ILogger logger, string sentence);

    [LoggerMessage(508, LogLevel.Error, "'{Path}': {Message}")]
    public static partial void Failed(ILogger logger, string path, string message);
}
