namespace Vireo.Backends.Block.Filters;

/// <summary>What becomes of a request that the disk failed; the names are those of QEMU.</summary>
public enum ErrorAction
{
    /// <summary>The guest is told.</summary>
    Report,

    /// <summary>The guest is told that it was done. For disks whose contents do not matter.</summary>
    Ignore,

    /// <summary>The disk stops until somebody lets it go on; then the request is tried again.</summary>
    Stop,

    /// <summary>As Stop when the storage is full, else as Report.</summary>
    StopIfFull,
}
