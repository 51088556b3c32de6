namespace Vireo.Linux.Sockets;

/// <summary>How an attempt to send ended.</summary>
public enum SendOutcome
{
    /// <summary>Everything was sent (TrySend: at least a byte).</summary>
    Sent,

    /// <summary>The peer does not read: the time is over (TrySend: there is no room now). After Send, part of the message may
    /// have gone, so the connection is of no further use.</summary>
    WouldBlock,

    /// <summary>The peer has closed the connection.</summary>
    Closed,
}
