using Microsoft.Extensions.Logging;

namespace Vireo.Cli.Record;

/// <summary>What a recorder says.</summary>
internal static partial class RecordLog
{
    [LoggerMessage(510, LogLevel.Information, "session {Session} has begun")]
    public static partial void Began(ILogger logger, int session);

    [LoggerMessage(511, LogLevel.Information, "session {Session} has ended after {Messages} messages")]
    public static partial void Ended(ILogger logger, int session, int messages);

    [LoggerMessage(512, LogLevel.Warning, "a front-end was turned away: the back-end cannot be reached: {Reason}")]
    public static partial void NoBackEnd(ILogger logger, string reason);
}
