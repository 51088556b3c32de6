using Microsoft.Extensions.Logging;

namespace Vireo.Homes.Peers;

/// <summary>What sources of connections say.</summary>
internal static partial class ConnectionLog
{
    [LoggerMessage(209, LogLevel.Warning, "cannot accept a connection, will try again: {Reason}")]
    public static partial void CannotAccept(this ILogger logger, string reason);

    [LoggerMessage(210, LogLevel.Warning, "cannot connect, will try again: {Reason}")]
    public static partial void CannotConnect(this ILogger logger, string reason);
}
