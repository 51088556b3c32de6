using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Contract;

/// <summary>A home that can show files in the device's shared memory regions (VIRTIO 1.4 §2.10).</summary>
/// <remarks>
/// Offered by an <see cref="IDeviceHost"/> that can. Any thread may call; answers come on the home's control thread, and what is mapped
/// may be used only after a good one. A reset of the device takes all mappings away.
/// </remarks>
public interface ISharedMemoryHost
{
    /// <summary>Shows a part of a file.</summary>
    /// <param name="place">Where in which region; nothing may be there yet.</param>
    /// <param name="file">The file; stays the caller's, and may be closed when the answer has come.</param>
    /// <param name="fileOffsetBytes">First byte in the file.</param>
    /// <param name="isWritable">Whether the driver may write to it.</param>
    /// <param name="done">Told whether it is there now.</param>
    void MapShared(SharedRange place, SafeFileHandle file, ulong fileOffsetBytes, bool isWritable, Action<bool> done);

    /// <summary>Takes out what was shown.</summary>
    /// <param name="place">Exactly what was given to <see cref="MapShared"/>.</param>
    /// <param name="done">Told whether it is gone now.</param>
    void UnmapShared(SharedRange place, Action<bool> done);
}
