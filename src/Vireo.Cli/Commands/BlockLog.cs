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
}
