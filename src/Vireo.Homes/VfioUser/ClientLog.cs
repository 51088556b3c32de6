using Microsoft.Extensions.Logging;

namespace Vireo.Homes.VfioUser;

/// <summary>What the home says about its clients: one line for each event.</summary>
internal static partial class ClientLog
{
    [LoggerMessage(300, LogLevel.Information, "waiting for a client")]
    public static partial void Listening(this ILogger logger);

    [LoggerMessage(301, LogLevel.Information, "{Peer} has connected")]
    public static partial void Connected(this ILogger logger, string peer);

    [LoggerMessage(302, LogLevel.Information, "the client has closed the connection")]
    public static partial void Disconnected(this ILogger logger);

    [LoggerMessage(303, LogLevel.Warning, "the client went away in the middle of a message")]
    public static partial void Truncated(this ILogger logger);

    [LoggerMessage(304, LogLevel.Warning, "disconnected: {Reason}")]
    public static partial void Broken(this ILogger logger, string reason);

    [LoggerMessage(305, LogLevel.Debug, "{Command} was answered with {Error}: {Reason}")]
    public static partial void Refused(this ILogger logger, string command, string error, string reason);

    [LoggerMessage(306, LogLevel.Warning, "{Peer} was turned away: {Reason}")]
    public static partial void TurnedAway(this ILogger logger, string peer, string reason);

    [LoggerMessage(307, LogLevel.Warning, "the device needs a reset: {Reason}")]
    public static partial void NeedsReset(this ILogger logger, string reason);

    [LoggerMessage(
        308,
        LogLevel.Warning,
        "memory at {Address} with {Bytes} bytes came without a file and is {Reach}: let the client share its memory "
            + "(QEMU: -object memory-backend-memfd,share=on)"
    )]
    public static partial void NotShared(this ILogger logger, string address, ulong bytes, string reach);

    [LoggerMessage(309, LogLevel.Debug, "the client's DMA messages have the form {Form}")]
    public static partial void DmaFormKnown(this ILogger logger, DmaForm form);
}
