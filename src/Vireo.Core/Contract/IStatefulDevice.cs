namespace Vireo.Core.Contract;

/// <summary>A device that has a state beyond its queues and its configuration space, which moves with the driver to another process.</summary>
/// <remarks>Called on the home's control thread while no queue runs.</remarks>
public interface IStatefulDevice
{
    /// <summary>The longest state a home takes, in bytes: 256 MiB.</summary>
    const int StateBytesMax = 256 << 20;

    /// <summary>Writes down the state.</summary>
    /// <returns>The state, in a form that only the device knows; at most <see cref="StateBytesMax"/> bytes.</returns>
    /// <exception cref="DeviceException">The state cannot be saved now.</exception>
    byte[] SaveState();

    /// <summary>Takes over a state that another process wrote down.</summary>
    /// <param name="state">The state; it comes from outside and is to be checked.</param>
    /// <exception cref="DeviceException">It is not a state this device understands; the device is as it was before.</exception>
    void LoadState(ReadOnlySpan<byte> state);
}
