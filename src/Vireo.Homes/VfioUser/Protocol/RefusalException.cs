using Vireo.Linux;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>A command is well-formed and cannot be done: it is answered with an error, and the connection goes on.</summary>
internal sealed class RefusalException : Exception
{
    /// <summary>Says why, and what the client is told.</summary>
    public RefusalException(Errno error, string message)
        : base(message) => Error = error;

    /// <summary>Says why.</summary>
    public RefusalException(string message)
        : this(Errno.EINVAL, message) { }

    /// <summary>Says why, and what is behind it.</summary>
    public RefusalException(string message, Exception innerException)
        : base(message, innerException) => Error = Errno.EINVAL;

    /// <summary>Says only that it cannot be done.</summary>
    public RefusalException()
        : this("the command cannot be done") { }

    /// <summary>What the client is told.</summary>
    public Errno Error { get; }
}
