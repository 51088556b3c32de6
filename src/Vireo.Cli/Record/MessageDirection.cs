namespace Vireo.Cli.Record;

/// <summary>Who sent a message, and on which of the two sockets.</summary>
internal enum MessageDirection
{
    /// <summary>The front-end asks.</summary>
    FrontEnd,

    /// <summary>The back-end answers.</summary>
    BackEnd,

    /// <summary>The back-end asks, on the socket that SET_BACKEND_REQ_FD gave it.</summary>
    BackEndRequest,

    /// <summary>The front-end answers there.</summary>
    FrontEndReply,
}
