namespace Vireo.Core.Queues;

/// <summary>A ring cannot be started: its size, alignment or place in memory is not what the specification asks.</summary>
/// <remarks>Thrown on the control plane only. The message names the value and what was expected.</remarks>
public sealed class RingException : Exception
{
    /// <summary>Says what is wrong with the ring.</summary>
    public RingException(string message)
        : base(message) { }

    /// <summary>Says what is wrong with the ring, and why.</summary>
    public RingException(string message, Exception innerException)
        : base(message, innerException) { }

    /// <summary>Says only that a ring cannot be started.</summary>
    public RingException()
        : base("the ring cannot be started") { }

    /// <summary>
    /// Whether only a translation of the ring's addresses is missing, which has been asked for: the ring can be started once it has
    /// come.
    /// </summary>
    public bool IsTranslationPending { get; init; }
}
