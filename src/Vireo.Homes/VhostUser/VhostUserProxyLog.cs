using Microsoft.Extensions.Logging;

namespace Vireo.Homes.VhostUser;

/// <summary>What a proxy says about its back-end: one line for each event.</summary>
internal static partial class VhostUserProxyLog
{
    [LoggerMessage(230, LogLevel.Warning, "{Path}: the back-end has gone, trying to reach it again: {Reason}")]
    public static partial void BackEndIsAway(this ILogger logger, string path, string reason);

    [LoggerMessage(231, LogLevel.Information, "{Path}: the back-end is back after {Milliseconds:0} ms")]
    public static partial void BackEndIsBack(this ILogger logger, string path, double milliseconds);

    [LoggerMessage(232, LogLevel.Error, "the back-end is lost: {Reason}")]
    public static partial void BackEndIsLost(this ILogger logger, string reason);
}
