namespace Vireo.Core.Contract;

/// <summary>A device cannot do what it was set up for, or refuses what a driver negotiated.</summary>
/// <remarks>Thrown on the control plane only. The message names the value and what was expected.</remarks>
public sealed class DeviceException : Exception
{
    /// <summary>Says what is wrong.</summary>
    public DeviceException(string message)
        : base(message) { }

    /// <summary>Says what is wrong, and why.</summary>
    public DeviceException(string message, Exception innerException)
        : base(message, innerException) { }

    /// <summary>Says only that the device cannot go on.</summary>
    public DeviceException()
        : base("the device cannot go on") { }
}
