namespace Vireo.Backends.Block.Qcow2;

/// <summary>How an image is made.</summary>
public sealed record Qcow2Options
{
    /// <summary>Size of the disk in bytes, a multiple of 512.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Bytes of a cluster: a power of two, 512 to 2,097,152.</summary>
    public int ClusterBytes { get; init; } = 65536;

    /// <summary>Version of the format: 2 (QEMU's compat=0.10) or 3 (compat=1.1).</summary>
    public int Version { get; init; } = 3;

    /// <summary>Bits of a reference count: a power of two, 1 to 64; 16 in version 2.</summary>
    public int RefcountBits { get; init; } = 16;

    /// <summary>Whether reference counts may be written late, which is repaired when the image was not closed. Version 3.</summary>
    public bool HasLazyRefcounts { get; init; }

    /// <summary>Whether clusters have 32 parts that are allocated one by one. Version 3, clusters of at least 16 KiB.</summary>
    public bool HasExtendedL2 { get; init; }

    /// <summary>How compressed clusters will be compressed; other than zlib in version 3 only.</summary>
    public Qcow2Compression Compression { get; init; }

    /// <summary>Name of the backing image, relative to the image's folder if not absolute; null for none.</summary>
    public string? BackingName { get; init; }

    /// <summary>Format of the backing image, in QEMU's spelling; null for none.</summary>
    public string? BackingFormat { get; init; }
}
