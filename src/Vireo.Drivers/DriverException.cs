namespace Vireo.Drivers;

/// <summary>A device cannot be driven: it broke the rules, has gone, or answered a request with an error.</summary>
public sealed class DriverException : IOException
{
    /// <summary>Says what is wrong.</summary>
    public DriverException(string message)
        : base(message) { }

    /// <summary>Says what is wrong, and why.</summary>
    public DriverException(string message, Exception innerException)
        : base(message, innerException) { }

    /// <summary>Says only that the device cannot be driven.</summary>
    public DriverException()
        : base("the device cannot be driven") { }
}
