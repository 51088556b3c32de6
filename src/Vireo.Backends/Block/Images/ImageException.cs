namespace Vireo.Backends.Block.Images;

/// <summary>An image is not what its format says it should be, or asks for what Vireo does not do.</summary>
public sealed class ImageException : IOException
{
    /// <summary>Says what is wrong.</summary>
    /// <param name="message">One sentence that names the image, the value and what was expected.</param>
    public ImageException(string message)
        : base(message) { }

    /// <summary>Says what is wrong, and why.</summary>
    public ImageException(string message, Exception innerException)
        : base(message, innerException) { }
}
