namespace Vireo.Core.Admin;

/// <summary>A device whose state can be taken out in parts and put back, and that can be stopped for it.</summary>
/// <remarks>One control thread.</remarks>
internal interface IDeviceParts
{
    /// <summary>Whether the device has been stopped.</summary>
    bool IsStopped { get; }

    /// <summary>All parts, in the order of the specification's table.</summary>
    List<DevicePart> Read();

    /// <summary>Takes parts over, all of them or none.</summary>
    /// <param name="parts">Parts that the device has, with values as long as its own.</param>
    /// <returns>False when a value is one that the device cannot take.</returns>
    bool TryWrite(IReadOnlyList<DevicePart> parts);

    /// <summary>Stops the device: what is in flight is given back, and then it touches no queue and calls nobody.</summary>
    void Stop();

    /// <summary>Lets the device go on.</summary>
    void Resume();
}
