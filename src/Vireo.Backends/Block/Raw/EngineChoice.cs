namespace Vireo.Backends.Block.Raw;

/// <summary>How a disk's files are read and written.</summary>
public enum EngineChoice
{
    /// <summary>io_uring where the host allows it, else worker threads.</summary>
    Auto,

    /// <summary>io_uring, or refuse to start.</summary>
    IoUring,

    /// <summary>Worker threads that make blocking calls.</summary>
    Threads,
}
