namespace Vireo.Backends.Block.Images;

/// <summary>A raw file or block device: byte N of the disk is byte N of the file.</summary>
public sealed class RawImage : DiskImage
{
    private readonly ImageFile _file;
    private readonly long _start;

    /// <summary>Shows a part of a file as a disk.</summary>
    /// <param name="file">The file; becomes this object's.</param>
    /// <param name="start">First byte in the file.</param>
    /// <param name="lengthBytes">Length of the disk.</param>
    /// <param name="format">What the file is called.</param>
    internal RawImage(ImageFile file, long start, long lengthBytes, ImageFormat format = ImageFormat.Raw)
        : base(file.Path, file.IsReadOnly)
    {
        _file = file;
        _start = start;
        LengthBytes = lengthBytes;
        Format = format;
    }

    /// <inheritdoc/>
    public override ImageFormat Format { get; }

    /// <inheritdoc/>
    public override long LengthBytes { get; }

    /// <inheritdoc/>
    public override ImageExtent Map(long offset, long length)
    {
        (bool isData, long found) = _file.Find(_start + offset, Math.Min(length, LengthBytes - offset));
        return new(isData ? ExtentKind.Data : ExtentKind.Zero, found, _start + offset);
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source) => _file.Write(_start + offset, source);

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, bool mayUnmap) =>
        _file.WriteZeroes(_start + offset, length, mayUnmap);

    /// <inheritdoc/>
    public override void Discard(long offset, long length) => _file.Free(_start + offset, length);

    /// <inheritdoc/>
    public override void Flush() => _file.Sync();

    /// <inheritdoc/>
    public override void Dispose()
    {
        _file.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    internal override FastMapping TryMap(long offset, long length, bool isWrite) =>
        isWrite && IsReadOnly ? default : new(FastKind.File, length, _start + offset);

    private protected override void ReadData(long fileOffset, Span<byte> destination) =>
        _file.Read(fileOffset, destination);
}
