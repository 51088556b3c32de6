namespace Vireo.Core.Admin;

/// <summary>How a command ended (VIRTIO 1.4 §2.12.1); the numbers are those of Linux' errors.</summary>
public enum AdminStatus : ushort
{
    /// <summary>It was done.</summary>
    Ok = 0,

    /// <summary>There is no such capability or object (ENXIO).</summary>
    NoSuch = 6,

    /// <summary>The answer does not fit (ENOMEM).</summary>
    NoMemory = 12,

    /// <summary>Something is in use, or runs (EBUSY).</summary>
    Busy = 16,

    /// <summary>The object is there already (EEXIST).</summary>
    Exists = 17,

    /// <summary>The command is wrong (EINVAL).</summary>
    Invalid = 22,

    /// <summary>There are as many as there may be (ENOSPC).</summary>
    NoSpace = 28,
}
