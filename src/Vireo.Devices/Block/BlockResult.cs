namespace Vireo.Devices.Block;

/// <summary>How a backend's work ended.</summary>
public enum BlockResult
{
    /// <summary>All of it was done.</summary>
    Done,

    /// <summary>The storage failed, or there is no such storage any more.</summary>
    IoError,

    /// <summary>The storage is full: the work could succeed once there is room.</summary>
    NoSpace,

    /// <summary>The storage does not do this.</summary>
    Unsupported,
}
