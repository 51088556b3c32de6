namespace Vireo.Backends.Block.Images;

/// <summary>What a request to an image is.</summary>
internal enum ImageRequestKind
{
    /// <summary>Read.</summary>
    Read,

    /// <summary>Write.</summary>
    Write,

    /// <summary>Make everything stable.</summary>
    Flush,

    /// <summary>Forget a range.</summary>
    Discard,

    /// <summary>Make a range read as zeroes.</summary>
    WriteZeroes,
}
