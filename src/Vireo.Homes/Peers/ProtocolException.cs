namespace Vireo.Homes.Peers;

/// <summary>The peer broke the protocol: the connection is closed and the device reset.</summary>
/// <remarks>Never leaves the home. The message says what came and what was expected; it becomes one line of the log.</remarks>
internal sealed class ProtocolException : Exception
{
    /// <summary>Says what came and what was expected.</summary>
    public ProtocolException(string message)
        : base(message) { }

    /// <summary>Says what came and what was expected, and why that cannot be done.</summary>
    public ProtocolException(string message, Exception innerException)
        : base(message, innerException) { }

    /// <summary>Says only that the protocol was broken.</summary>
    public ProtocolException()
        : base("the protocol was broken") { }
}
