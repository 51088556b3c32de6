namespace Vireo.Backends.Block.Rbd;

/// <summary>How an RBD image is used.</summary>
public sealed record RbdOptions
{
    /// <summary>Whether nothing is written.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Logical block size in bytes, a power of two from 512 to 65,536; 0 for 512.</summary>
    public int LogicalBlockBytes { get; init; }

    /// <summary>Whether discard is offered.</summary>
    public bool AllowsDiscard { get; init; } = true;

    /// <summary>Whether every write is to be stable.</summary>
    public bool IsWriteThrough { get; init; }

    /// <summary>Whether flushes do nothing.</summary>
    public bool IsUnsafe { get; init; }

    /// <summary>The folder of librbd.so.1 and librados.so.2; null for wherever the host's loader finds them.</summary>
    public string? LibraryFolder { get; init; }
}
