namespace Vireo.Devices.Block;

/// <summary>The last byte of a request, which the device writes (VIRTIO 1.4 §5.2.6).</summary>
internal enum BlockStatus : byte
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>The device or the driver erred.</summary>
    IoError = 1,

    /// <summary>The device does not know this request, or was not asked to offer it.</summary>
    Unsupported = 2,
}
