using Microsoft.Extensions.Logging;

namespace Vireo.Homes.Loops;

/// <summary>What queue loops say.</summary>
internal static partial class LoopLog
{
    [LoggerMessage(
        100,
        LogLevel.Warning,
        "queue {QueueIndex} has been stopping for {Seconds} s: the backend does not complete its requests"
    )]
    public static partial void StopIsSlow(ILogger logger, int queueIndex, double seconds);

    [LoggerMessage(
        101,
        LogLevel.Debug,
        "queue {QueueIndex} stopped after {Requests} requests, {Unreachable} of them outside the driver's memory"
    )]
    public static partial void QueueStopped(ILogger logger, int queueIndex, ulong requests, ulong unreachable);
}
