using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Contract;

/// <summary>A home in which devices share objects (dma-bufs) by name.</summary>
/// <remarks>Offered by an <see cref="IDeviceHost"/> that can. Any thread may call; answers come on the home's control thread.</remarks>
public interface ISharedObjectHost
{
    /// <summary>Tells all that the device shares an object.</summary>
    /// <param name="id">Its name.</param>
    void AddShared(Guid id);

    /// <summary>Tells all that the device shares an object no more.</summary>
    /// <param name="id">Its name.</param>
    void RemoveShared(Guid id);

    /// <summary>Finds an object that another device shares.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="done">Given the descriptor, which becomes the receiver's, or null when there is no such object.</param>
    void LookUpShared(Guid id, Action<SafeFileHandle?> done);
}
