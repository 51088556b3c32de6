namespace Vireo.Backends.Block.Images;

/// <summary>The file of an image, read and written by calls that wait.</summary>
/// <remarks>Any thread, several at once.</remarks>
internal abstract class ImageFile : IDisposable
{
    private protected ImageFile(string path, bool isReadOnly)
    {
        Path = path;
        IsReadOnly = isReadOnly;
    }

    /// <summary>What it is called.</summary>
    public string Path { get; }

    /// <summary>Whether it was opened for reading only.</summary>
    public bool IsReadOnly { get; }

    /// <summary>Whether it is a regular file, which grows when it is written behind its end.</summary>
    public abstract bool IsRegular { get; }

    /// <summary>Whether nothing needs to be stable, ever.</summary>
    public bool IsUnsafe { get; init; }

    /// <summary>Length in bytes, now.</summary>
    public abstract long LengthBytes { get; }

    /// <summary>Opens a file of the host that exists.</summary>
    /// <param name="path">The path.</param>
    /// <param name="isReadOnly">Whether it is only read.</param>
    /// <param name="isLocked">Whether QEMU's image locks are taken; not where another descriptor of this process holds them.</param>
    /// <param name="isUnsafe">Whether nothing needs to be stable.</param>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static ImageFile Open(string path, bool isReadOnly, bool isLocked, bool isUnsafe = false) =>
        HostImageFile.Open(path, isReadOnly, isLocked, isUnsafe);

    /// <summary>Makes a file of the host, or takes over one that nobody uses and cuts it to nothing.</summary>
    /// <param name="path">The path.</param>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static ImageFile Create(string path) => HostImageFile.Create(path);

    /// <summary>Reads; what lies behind the end of the file reads as zeroes.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    /// <exception cref="Linux.LinuxException">The storage failed.</exception>
    /// <exception cref="ImageException">Somebody has cut the file to a length below this.</exception>
    public abstract void Read(long offset, Span<byte> destination);

    /// <summary>Writes all of it.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    /// <exception cref="Linux.LinuxException">The storage failed, or is full.</exception>
    public abstract void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>Makes a range read as zeroes in the cheapest way the file system has.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes, from 1.</param>
    /// <param name="mayUnmap">Whether the storage may be freed.</param>
    /// <exception cref="Linux.LinuxException">The storage failed, or is full.</exception>
    public abstract void WriteZeroes(long offset, long length, bool mayUnmap);

    /// <summary>Gives the storage of a range back, if the file system can.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes.</param>
    public abstract void Free(long offset, long length);

    /// <summary>Where the next data and the next hole are.</summary>
    /// <param name="offset">From where; before the end.</param>
    /// <param name="length">How far to look.</param>
    /// <returns>Whether data begin here, and for how many bytes that holds.</returns>
    public abstract (bool IsData, long LengthBytes) Find(long offset, long length);

    /// <summary>Sets the length.</summary>
    /// <param name="lengthBytes">The length.</param>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    public abstract void Resize(long lengthBytes);

    /// <summary>Brings what was written to the storage.</summary>
    /// <exception cref="Linux.LinuxException">The storage failed; what was written may be lost.</exception>
    public abstract void Sync();

    /// <inheritdoc/>
    public abstract void Dispose();
}
