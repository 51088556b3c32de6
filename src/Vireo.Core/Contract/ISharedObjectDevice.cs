using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Contract;

/// <summary>A device that shares objects (dma-bufs) with others by name.</summary>
public interface ISharedObjectDevice
{
    /// <summary>Finds an object that this device shares.</summary>
    /// <param name="id">Its name.</param>
    /// <returns>Its descriptor, which stays the device's; null when there is no such object.</returns>
    SafeFileHandle? FindShared(Guid id);
}
