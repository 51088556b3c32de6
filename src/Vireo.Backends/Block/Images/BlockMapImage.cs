namespace Vireo.Backends.Block.Images;

/// <summary>A disk of equal blocks, each somewhere in one file; for reading only. The map is in memory as a whole.</summary>
public sealed class BlockMapImage : DiskImage
{
    /// <summary>A block that is nowhere and reads as zeroes.</summary>
    internal const long Nowhere = -1;

    /// <summary>More blocks than this are a mistake or an attack: the map would take 512 MiB.</summary>
    internal const long BlocksMax = 1L << 26;

    private readonly ImageFile _file;
    private readonly long[] _places;
    private readonly int _blockBytes;

    /// <summary>Makes a disk.</summary>
    /// <param name="file">The file; becomes this object's.</param>
    /// <param name="format">What it is called.</param>
    /// <param name="lengthBytes">Size of the disk.</param>
    /// <param name="blockBytes">Bytes of a block.</param>
    /// <param name="places">Where each block begins in the file, or <see cref="Nowhere"/>; enough for the whole disk.</param>
    internal BlockMapImage(ImageFile file, ImageFormat format, long lengthBytes, int blockBytes, long[] places)
        : base(file.Path, isReadOnly: true)
    {
        _file = file;
        Format = format;
        LengthBytes = lengthBytes;
        _blockBytes = blockBytes;
        _places = places;
    }

    /// <inheritdoc/>
    public override ImageFormat Format { get; }

    /// <inheritdoc/>
    public override long LengthBytes { get; }

    /// <inheritdoc/>
    public override int ClusterBytes => _blockBytes;

    /// <inheritdoc/>
    public override ImageExtent Map(long offset, long length)
    {
        (long place, long run) = Find(offset, Math.Min(length, LengthBytes - offset));
        return place == Nowhere ? new(ExtentKind.Zero, run) : new(ExtentKind.Data, run, place);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _file.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    internal override FastMapping TryMap(long offset, long length, bool isWrite)
    {
        if (isWrite)
        {
            return default;
        }

        (long place, long run) = Find(offset, length);
        return place == Nowhere ? new(FastKind.Zero, run) : new(FastKind.File, run, place);
    }

    private protected override void ReadData(long fileOffset, Span<byte> destination) =>
        _file.Read(fileOffset, destination);

    /// <summary>Where a byte is, and for how many bytes its neighbours are beside it.</summary>
    private (long Place, long Length) Find(long offset, long length)
    {
        long block = offset / _blockBytes;
        long inside = offset % _blockBytes;
        long first = _places[block];
        long run = _blockBytes - inside;
        while (run < length && _places[block + 1] == (first == Nowhere ? Nowhere : _places[block] + _blockBytes))
        {
            block++;
            run += _blockBytes;
        }

        return (first == Nowhere ? Nowhere : first + inside, Math.Min(run, length));
    }
}
