using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>How a single read or write differs from the descriptor's own way. The values are the kernel's (RWF_*).</summary>
[Flags]
public enum ReadWriteFlags
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>Polled completion, where the device has queues for it (RWF_HIPRI).</summary>
    Polled = LibC.RWF_HIPRI,

    /// <summary>The data, and what is needed to find them again, are on the disk when the write completes (RWF_DSYNC).</summary>
    DataSync = LibC.RWF_DSYNC,

    /// <summary>As DataSync, with all metadata (RWF_SYNC).</summary>
    Sync = LibC.RWF_SYNC,

    /// <summary>Answer EAGAIN rather than wait (RWF_NOWAIT).</summary>
    NoWait = LibC.RWF_NOWAIT,
}
