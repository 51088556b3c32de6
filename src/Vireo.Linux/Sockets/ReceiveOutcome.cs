namespace Vireo.Linux.Sockets;

/// <summary>How an attempt to receive ended.</summary>
public enum ReceiveOutcome
{
    /// <summary>There were bytes, and with them perhaps descriptors.</summary>
    Received,

    /// <summary>Nothing is there now.</summary>
    WouldBlock,

    /// <summary>The peer has closed or reset the connection; nothing will come any more.</summary>
    Closed,

    /// <summary>
    /// More descriptors came than were asked for, or than this process may open. All are closed; as nobody knows which were
    /// lost, the connection is of no further use.
    /// </summary>
    DescriptorsLost,
}
