namespace Vireo.Devices.Block;

/// <summary>The last byte of a request, which the device writes (VIRTIO 1.4 §5.2.6).</summary>
public enum BlockStatus : byte
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>The device or the driver erred.</summary>
    IoError = 1,

    /// <summary>The device does not know this request, or was not asked to offer it.</summary>
    Unsupported = 2,

    /// <summary>The zone does not allow it.</summary>
    ZoneInvalid = 3,

    /// <summary>A write to a sequential zone is not where it has to be.</summary>
    ZoneUnaligned = 4,

    /// <summary>Too many zones would be open.</summary>
    ZoneOpenLimit = 5,

    /// <summary>Too many zones would be active.</summary>
    ZoneActiveLimit = 6,
}
