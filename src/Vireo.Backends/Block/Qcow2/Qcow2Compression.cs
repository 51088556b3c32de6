namespace Vireo.Backends.Block.Qcow2;

/// <summary>How compressed clusters of an image are compressed; the values are the format's.</summary>
public enum Qcow2Compression
{
    /// <summary>Deflate with no header around it.</summary>
    Zlib = 0,

    /// <summary>Zstandard.</summary>
    Zstd = 1,
}
