namespace Vireo.Backends.Block.Raw;

/// <summary>What the host does with written data before the driver asks for stability; the names are those of QEMU.</summary>
public enum CacheMode
{
    /// <summary>Through the host's page cache; flush makes writes stable.</summary>
    Writeback,

    /// <summary>Past the host's page cache (O_DIRECT); flush makes writes stable.</summary>
    None,

    /// <summary>Through the page cache; every write is stable when it completes.</summary>
    Writethrough,

    /// <summary>Past the page cache, and every write is stable when it completes.</summary>
    Directsync,

    /// <summary>Through the page cache; flush does nothing. For disks whose loss is no loss.</summary>
    Unsafe,
}
