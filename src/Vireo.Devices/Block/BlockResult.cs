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

    /// <summary>The zone does not allow it.</summary>
    ZoneInvalid,

    /// <summary>A write to a sequential zone did not begin at its write pointer, or did not end on the granularity.</summary>
    ZoneUnaligned,

    /// <summary>Too many zones would be open.</summary>
    ZoneOpenLimit,

    /// <summary>Too many zones would be active.</summary>
    ZoneActiveLimit,
}
