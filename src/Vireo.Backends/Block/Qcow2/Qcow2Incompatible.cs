namespace Vireo.Backends.Block.Qcow2;

/// <summary>Features without which an image cannot be read; the bits are the format's.</summary>
[Flags]
internal enum Qcow2Incompatible : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Reference counts may be wrong: the image was not closed.</summary>
    Dirty = 1,

    /// <summary>Somebody has found the image to be broken: it may only be read.</summary>
    Corrupt = 2,

    /// <summary>The disk's data are in another file.</summary>
    ExternalData = 4,

    /// <summary>The compression is not the usual one.</summary>
    Compression = 8,

    /// <summary>L2 entries have a bit for each 32nd part of their cluster.</summary>
    ExtendedL2 = 16,
}
