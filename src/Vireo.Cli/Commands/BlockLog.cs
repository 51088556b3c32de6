using Microsoft.Extensions.Logging;

namespace Vireo.Cli.Commands;

/// <summary>What the block command says.</summary>
internal static partial class BlockLog
{
    [LoggerMessage(500, LogLevel.Information, "'{Path}': {Sectors} sectors, {Engine}")]
    public static partial void Opened(ILogger logger, string path, long sectors, string engine);
}
