namespace Vireo.Backends.Block.Images;

/// <summary>A disk inside files of some format, used by calls that wait.</summary>
/// <remarks>
/// Any thread may read and write, several at once. A range that is written by one call while it is used by another has either
/// content. Errors of the host are <see cref="Linux.LinuxException"/>s, those of the image <see cref="ImageException"/>s.
/// </remarks>
public abstract class DiskImage : IDisposable
{
    private protected DiskImage(string path, bool isReadOnly)
    {
        Path = path;
        IsReadOnly = isReadOnly;
    }

    /// <summary>The file by which it was opened.</summary>
    public string Path { get; }

    /// <summary>Whether every write would fail.</summary>
    public bool IsReadOnly { get; }

    /// <summary>How it is laid out.</summary>
    public abstract ImageFormat Format { get; }

    /// <summary>Size of the disk in bytes.</summary>
    public abstract long LengthBytes { get; }

    /// <summary>Unit of allocation in bytes; 0 when there is none.</summary>
    public virtual int ClusterBytes => 0;

    /// <summary>Where what this image does not say is found; null for nowhere. This image's, disposed with it.</summary>
    public DiskImage? Backing { get; private protected set; }

    /// <summary>Tells where a range begins.</summary>
    /// <param name="offset">First byte, before the end of the disk.</param>
    /// <param name="length">Longest range of interest, at least 1.</param>
    /// <returns>The first part of the range that is all in the same kind of place.</returns>
    public abstract ImageExtent Map(long offset, long length);

    /// <summary>Reads.</summary>
    /// <param name="offset">First byte; what lies behind the end of the disk reads as zeroes.</param>
    /// <param name="destination">Filled.</param>
    public void Read(long offset, Span<byte> destination)
    {
        int inside = (int)Math.Clamp(LengthBytes - offset, 0, destination.Length);
        destination[inside..].Clear();
        destination = destination[..inside];
        int token = BeginAccess();
        try
        {
            while (!destination.IsEmpty)
            {
                ImageExtent extent = Map(offset, destination.Length);
                int length = (int)extent.LengthBytes;
                ReadMapped(in extent, offset, destination[..length]);
                offset += length;
                destination = destination[length..];
            }
        }
        finally
        {
            EndAccess(token);
        }
    }

    /// <summary>Writes.</summary>
    /// <param name="offset">First byte; the range ends on the disk.</param>
    /// <param name="source">The bytes.</param>
    public virtual void Write(long offset, ReadOnlySpan<byte> source) => throw ReadOnlyError();

    /// <summary>Makes a range read as zeroes.</summary>
    /// <param name="offset">First byte; the range ends on the disk.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="mayUnmap">Whether the storage behind it may be freed.</param>
    public virtual void WriteZeroes(long offset, long length, bool mayUnmap) => throw ReadOnlyError();

    /// <summary>Forgets what can be forgotten of a range.</summary>
    /// <param name="offset">First byte; the range ends on the disk.</param>
    /// <param name="length">Bytes.</param>
    public virtual void Discard(long offset, long length) { }

    /// <summary>Makes everything stable that was written before this call.</summary>
    public virtual void Flush() { }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Backing?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Whether what was written can only be found with the help of what is not in the file yet.</summary>
    internal virtual bool HasUnwrittenMetadata => false;

    /// <summary>Whether a flush has failed, so that none may succeed any more.</summary>
    internal virtual bool HasLostWrites => false;

    /// <summary>Looks where a range begins, without waiting. For one that is in the file, an access begins.</summary>
    /// <param name="offset">First byte; the range ends on the disk.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="isWrite">Whether the range is to be written in place.</param>
    internal virtual FastMapping TryMap(long offset, long length, bool isWrite) => default;

    /// <summary>From here to the end of the access, what a mapping names is not given to anybody else.</summary>
    internal virtual int BeginAccess() => 0;

    /// <summary>An access has ended.</summary>
    /// <param name="token">What began it.</param>
    internal virtual void EndAccess(int token) { }

    /// <summary>Reads bytes that are in the file as they are.</summary>
    private protected abstract void ReadData(long fileOffset, Span<byte> destination);

    /// <summary>Reads a part of what is compressed.</summary>
    private protected virtual void ReadCompressed(long offset, Span<byte> destination) =>
        throw new ImageException($"'{Path}' has no compressed data");

    /// <summary>Reads what was mapped.</summary>
    private protected virtual void ReadMapped(in ImageExtent extent, long offset, Span<byte> destination)
    {
        switch (extent.Kind)
        {
            case ExtentKind.Data:
                ReadData(extent.FileOffset, destination);
                break;
            case ExtentKind.Compressed:
                ReadCompressed(offset, destination);
                break;
            case ExtentKind.Unallocated when Backing is { } backing:
                backing.Read(offset, destination);
                break;
            default:
                destination.Clear();
                break;
        }
    }

    private ImageException ReadOnlyError() => new($"'{Path}' is open for reading only");
}
