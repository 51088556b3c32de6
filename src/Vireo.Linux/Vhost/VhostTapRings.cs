using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Vhost;

/// <summary>Rings in pairs, each pair on one queue of a tap (<c>/dev/vhost-net</c>): the first receives, the second sends.</summary>
public sealed class VhostTapRings : IVhostRings
{
    private readonly SafeFileHandle _tap;

    /// <summary>Takes a tap.</summary>
    /// <param name="tap">
    /// One queue of a tap whose frames have the header of VIRTIO 1.4 §5.1.6, 12 bytes. Stays the caller's, and open for as long as the
    /// device is used.
    /// </param>
    public VhostTapRings(SafeFileHandle tap)
    {
        ArgumentNullException.ThrowIfNull(tap);
        _tap = tap;
    }

    /// <inheritdoc/>
    public int Count => 2;

    /// <inheritdoc/>
    public void Start(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        device.SetNetBackend(index, _tap);
    }

    /// <inheritdoc/>
    public void Stop(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        device.SetNetBackend(index, null);
    }
}
