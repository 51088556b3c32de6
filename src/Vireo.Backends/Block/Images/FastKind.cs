namespace Vireo.Backends.Block.Images;

/// <summary>What a look into the mapping that must not wait has found.</summary>
internal enum FastKind
{
    /// <summary>It takes time to tell, or more than a transfer to do: a worker's business.</summary>
    NotNow,

    /// <summary>The bytes are in the image's file, as they are.</summary>
    File,

    /// <summary>The bytes are zeroes.</summary>
    Zero,
}
