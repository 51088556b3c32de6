namespace Vireo.Backends.Block.Images;

/// <summary>Where the bytes of a range are.</summary>
public enum ExtentKind
{
    /// <summary>This image says nothing: they are in its backing image, or zeroes when there is none.</summary>
    Unallocated,

    /// <summary>Zeroes, whatever a backing image says.</summary>
    Zero,

    /// <summary>In a file, as they are.</summary>
    Data,

    /// <summary>In the file, compressed.</summary>
    Compressed,
}
