using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Contract;

/// <summary>A GPU that shows its pictures through a socket that its home is given.</summary>
public interface IDisplayDevice
{
    /// <summary>Takes the socket of a display.</summary>
    /// <param name="socket">The socket; becomes the device's. It takes the place of an earlier one.</param>
    void SetDisplay(SafeFileHandle socket);
}
