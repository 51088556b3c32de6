namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A request that keeps to the protocol cannot be fulfilled: no memory, a value the device does not take.</summary>
/// <remarks>Answered with an error where the front-end asked for an answer; else the connection is closed.</remarks>
internal sealed class RefusalException : Exception
{
    /// <summary>Says what cannot be done.</summary>
    public RefusalException(string message)
        : base(message) { }

    /// <summary>Says what cannot be done, and why.</summary>
    public RefusalException(string message, Exception innerException)
        : base(message, innerException) { }

    /// <summary>Says only that a request was refused.</summary>
    public RefusalException()
        : base("the request was refused") { }
}
