namespace Vireo.Backends.Block.Images;

/// <summary>Checks what a header says.</summary>
/// <param name="path">The file, for people.</param>
/// <param name="format">Its format, for people.</param>
internal sealed class ImageFields(string path, string format)
{
    /// <summary>Refuses an image with a field that cannot be.</summary>
    /// <param name="isRight">Whether it can be.</param>
    /// <param name="field">What it is called.</param>
    /// <param name="value">What it says.</param>
    /// <param name="expected">What it should say.</param>
    /// <exception cref="ImageException">It cannot be.</exception>
    public void Require(bool isRight, string field, ulong value, string expected)
    {
        if (!isRight)
        {
            throw new ImageException(
                $"'{path}': the field {field} of the {format} image is {value}; expected {expected}"
            );
        }
    }

    /// <summary>Refuses an image that asks for what Vireo does not do.</summary>
    /// <exception cref="ImageException">Always.</exception>
    public ImageException NotSupported(string what) =>
        new($"'{path}' is a {format} image {what}, which is not supported; convert it with 'qemu-img convert' first");
}
