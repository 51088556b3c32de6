using Microsoft.Extensions.Logging;

namespace Vireo.Tests.Cli.Logging;

internal static partial class TestMessages
{
    [LoggerMessage(1, LogLevel.Information, "queue {Queue} says {Text}")]
    public static partial void QueueSays(ILogger logger, int queue, string text);

    [LoggerMessage(2, LogLevel.Critical, "nothing works")]
    public static partial void NothingWorks(ILogger logger);

    [LoggerMessage(3, LogLevel.Error, "failed")]
    public static partial void Failed(ILogger logger, Exception exception);
}
