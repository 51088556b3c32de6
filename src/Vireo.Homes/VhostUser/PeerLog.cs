using Microsoft.Extensions.Logging;
using Vireo.Core.Queues;

namespace Vireo.Homes.VhostUser;

/// <summary>What the home says about its peers: one line for each event.</summary>
internal static partial class PeerLog
{
    [LoggerMessage(200, LogLevel.Information, "waiting for a front-end")]
    public static partial void Listening(this ILogger logger);

    [LoggerMessage(201, LogLevel.Information, "{Peer} has connected")]
    public static partial void Connected(this ILogger logger, string peer);

    [LoggerMessage(202, LogLevel.Information, "the front-end has closed the connection")]
    public static partial void Disconnected(this ILogger logger);

    [LoggerMessage(203, LogLevel.Warning, "the front-end went away in the middle of a message")]
    public static partial void Truncated(this ILogger logger);

    [LoggerMessage(204, LogLevel.Warning, "disconnected: {Reason}")]
    public static partial void Broken(this ILogger logger, string reason);

    [LoggerMessage(205, LogLevel.Warning, "{Request} was answered with an error: {Reason}")]
    public static partial void Refused(this ILogger logger, string request, string reason);

    [LoggerMessage(206, LogLevel.Warning, "{Peer} was turned away: {Reason}")]
    public static partial void TurnedAway(this ILogger logger, string peer, string reason);

    [LoggerMessage(207, LogLevel.Warning, "the driver broke queue {QueueIndex}: {Fault}; the device needs a reset")]
    public static partial void RingIsBroken(this ILogger logger, int queueIndex, QueueFault fault);

    [LoggerMessage(208, LogLevel.Warning, "no more requests to the front-end: {Reason}")]
    public static partial void BackEndChannelFailed(this ILogger logger, string reason);

    [LoggerMessage(211, LogLevel.Error, "the device needs a reset: {Reason}")]
    public static partial void DeviceIsLost(this ILogger logger, string reason);

    [LoggerMessage(212, LogLevel.Debug, "{Message}: {PayloadBytes} bytes {Payload}, {Descriptors} descriptors")]
    public static partial void Received(
        this ILogger logger,
        string message,
        int payloadBytes,
        string payload,
        int descriptors
    );
}
