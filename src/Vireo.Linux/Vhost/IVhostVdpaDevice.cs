using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Vhost;

/// <summary>A device on the vDPA bus as its user sees it: <c>/dev/vhost-vdpa-N</c>.</summary>
/// <remarks>As for <see cref="IVhostDevice"/>. Addresses of rings are the driver's.</remarks>
public interface IVhostVdpaDevice : IVhostDevice
{
    /// <summary>The virtio device id.</summary>
    uint ReadDeviceId();

    /// <summary>How many queues it has.</summary>
    int ReadQueueCount();

    /// <summary>The largest size of its queues, in descriptors.</summary>
    int ReadQueueSizeMax();

    /// <summary>Length of its configuration space in bytes.</summary>
    int ReadConfigLength();

    /// <summary>Reads the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled; at least one byte, all within the space.</param>
    void ReadConfig(int offset, Span<byte> destination);

    /// <summary>Writes the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes, at least one; all within the space.</param>
    void WriteConfig(int offset, ReadOnlySpan<byte> source);

    /// <summary>The status field.</summary>
    byte ReadStatus();

    /// <summary>Writes the status field; 0 resets.</summary>
    /// <param name="status">The new value.</param>
    void WriteStatus(byte status);

    /// <summary>Enables or disables a queue.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="isEnabled">Whether it is to run.</param>
    void EnableRing(int index, bool isEnabled);

    /// <summary>Gives the descriptor that announces changes of the configuration space.</summary>
    /// <param name="call">An eventfd; stays the caller's.</param>
    void SetConfigCall(SafeFileHandle call);

    /// <summary>Maps regions of this process' memory, which must be a file's, shared.</summary>
    /// <param name="regions">The regions; none of them mapped already.</param>
    void Map(ReadOnlySpan<VhostRegion> regions);

    /// <summary>Takes a mapping away.</summary>
    /// <param name="address">The driver's name for its first byte.</param>
    /// <param name="lengthBytes">Its length in bytes.</param>
    void Unmap(ulong address, ulong lengthBytes);
}
