using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vmdk;

/// <summary>A VMware disk, for reading: one sparse file, a stream-optimized one, or a description and its parts.</summary>
public sealed partial class VmdkImage : DiskImage
{
    private const int SectorBytes = 512;
    private const int DescriptionBytesMax = 1 << 20;
    private const int ExtentsMax = 4096;
    private const int UsualGrainBytes = 65536;

    private readonly List<VmdkExtent> _extents;

    /// <summary>Closed with the image, when no part of the disk is in it.</summary>
    private readonly ImageFile? _description;

    /// <summary>The grain that was last decompressed: whoever reads on wants the rest of it.</summary>
    private readonly Lock _inflatedGate = new();
    private byte[]? _inflated;
    private (VmdkSparse? Sparse, long Grain) _inflatedGrain;

    private VmdkImage(string path, List<VmdkExtent> extents, ImageFile? description)
        : base(path, isReadOnly: true)
    {
        _extents = extents;
        _description = description;
        foreach (VmdkExtent extent in extents)
        {
            LengthBytes += extent.LengthBytes;
        }
    }

    /// <inheritdoc/>
    public override ImageFormat Format => ImageFormat.Vmdk;

    /// <inheritdoc/>
    public override long LengthBytes { get; }

    /// <inheritdoc/>
    public override int ClusterBytes => _extents.Count > 0 ? _extents[0].Sparse?.GrainBytes ?? 0 : UsualGrainBytes;

    /// <inheritdoc/>
    public override ImageExtent Map(long offset, long length)
    {
        (VmdkExtent extent, long inside) = Locate(offset);
        length = Math.Min(length, extent.LengthBytes - inside);
        if (extent.Sparse is not { } sparse)
        {
            return extent.File is null
                ? new(ExtentKind.Zero, length)
                : new(ExtentKind.Data, length, extent.Start + inside);
        }

        long grain = inside / sparse.GrainBytes;
        long inGrain = inside % sparse.GrainBytes;
        long place = sparse.PlaceOf(grain);
        long run = sparse.GrainBytes - inGrain;
        while (run < length && sparse.PlaceOf(grain + 1) == Next(sparse, sparse.PlaceOf(grain)))
        {
            grain++;
            run += sparse.GrainBytes;
        }

        run = Math.Min(run, length);
        if (place == VmdkSparse.Nowhere)
        {
            return new(ExtentKind.Zero, run);
        }

        return sparse.IsCompressed ? new(ExtentKind.Compressed, run) : new(ExtentKind.Data, run, place + inGrain);
    }

    /// <inheritdoc/>
    internal override FastMapping TryMap(long offset, long length, bool isWrite)
    {
        // Places in other files than the one by which the image was opened are a worker's, and what has to be unpacked.
        if (isWrite || _extents is not [{ Sparse: { IsCompressed: false } }] || _description is not null)
        {
            return default;
        }

        ImageExtent extent = Map(offset, length);
        return extent.Kind == ExtentKind.Data
            ? new(FastKind.File, extent.LengthBytes, extent.FileOffset)
            : new(FastKind.Zero, extent.LengthBytes);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (VmdkExtent extent in _extents)
        {
            extent.Dispose();
        }

        _description?.Dispose();
        base.Dispose();
    }

    /// <summary>Opens an image.</summary>
    /// <param name="file">The file; becomes the image's unless this throws.</param>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    internal static VmdkImage Open(ImageFile file)
    {
        byte[] first = new byte[4];
        file.Read(0, first);
        if (!first.AsSpan().SequenceEqual("KDMV"u8))
        {
            string text = ReadText(file, 0, Math.Min(file.LengthBytes, DescriptionBytesMax));
            ThrowIfHasParent(file, text);
            return new(file.Path, OpenExtents(file, text), file);
        }

        var sparse = VmdkSparse.Open(file);
        ThrowIfHasParent(file, ReadText(file, sparse.Description.Offset, sparse.Description.Length));
        return new(file.Path, [new(sparse.LengthBytes, file, 0, sparse)], description: null);
    }

    /// <summary>Never called: <see cref="Map"/> names places in several files.</summary>
    private protected override void ReadData(long fileOffset, Span<byte> destination) =>
        throw new InvalidOperationException("a place in one of several files");

    private protected override void ReadMapped(in ImageExtent mapped, long offset, Span<byte> destination)
    {
        if (mapped.Kind == ExtentKind.Data)
        {
            Locate(offset).Extent.File!.Read(mapped.FileOffset, destination);
            return;
        }

        base.ReadMapped(in mapped, offset, destination);
    }

    private protected override void ReadCompressed(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            (VmdkExtent extent, long inside) = Locate(offset);
            VmdkSparse sparse = extent.Sparse!;
            int inGrain = (int)(inside % sparse.GrainBytes);
            Span<byte> piece = destination[..Math.Min(destination.Length, sparse.GrainBytes - inGrain)];
            Grain(sparse, inside / sparse.GrainBytes).AsSpan(inGrain, piece.Length).CopyTo(piece);
            offset += piece.Length;
            destination = destination[piece.Length..];
        }
    }

    private static long Next(VmdkSparse sparse, long place) =>
        place == VmdkSparse.Nowhere ? VmdkSparse.Nowhere
        : sparse.IsCompressed ? long.MaxValue
        : place + sparse.GrainBytes;

    private static string ReadText(ImageFile file, long offset, long length)
    {
        byte[] bytes = new byte[length];
        file.Read(offset, bytes);
        return Encoding.Latin1.GetString(bytes).TrimEnd('\0');
    }

    private static void ThrowIfHasParent(ImageFile file, string description)
    {
        Match parent = ParentPattern().Match(description);
        if (parent.Success && !parent.Groups["id"].Value.Equals("ffffffff", StringComparison.OrdinalIgnoreCase))
        {
            throw new ImageFields(file.Path, "vmdk").NotSupported("that holds differences to another one");
        }
    }

    private static List<VmdkExtent> OpenExtents(ImageFile file, string description)
    {
        List<VmdkExtent> extents = [];
        try
        {
            foreach (Match line in ExtentPattern().Matches(description))
            {
                extents.Add(OpenExtent(file, line));
                if (extents.Count > ExtentsMax)
                {
                    throw new ImageException($"'{file.Path}' has more than {ExtentsMax} parts");
                }
            }

            return extents.Count > 0
                ? extents
                : throw new ImageException($"'{file.Path}' describes a vmdk image without parts");
        }
        catch
        {
            extents.ForEach(static extent => extent.Dispose());
            throw;
        }
    }

    private static VmdkExtent OpenExtent(ImageFile file, Match line)
    {
        string kind = line.Groups["kind"].Value;
        bool isLength = long.TryParse(
            line.Groups["sectors"].Value,
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out long sectors
        );
        if (!isLength || sectors > 1L << 45)
        {
            throw new ImageException($"'{file.Path}': a part of {line.Groups["sectors"].Value} sectors; at most 2^45");
        }

        long length = sectors * SectorBytes;
        if (kind is "ZERO")
        {
            return new(length, File: null, 0, Sparse: null);
        }

        string name = line.Groups["name"].Value;
        if (kind is not ("FLAT" or "VMFS" or "SPARSE"))
        {
            throw new ImageException($"'{file.Path}': a part of the kind '{kind}', which is not supported");
        }

        // A description from elsewhere must not be able to show any file of this host.
        if (name.Length == 0 || name.Contains('/', StringComparison.Ordinal) || name is "." or "..")
        {
            throw new ImageException($"'{file.Path}': the part '{name}' is not named as a file in the same folder");
        }

        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(file.Path)) ?? "/";
        var part = ImageFile.Open(System.IO.Path.Combine(folder, name), isReadOnly: true, isLocked: true);
        try
        {
            if (kind is "SPARSE")
            {
                var sparse = VmdkSparse.Open(part);
                return new(Math.Min(length, sparse.LengthBytes), part, 0, sparse);
            }

            _ = long.TryParse(
                line.Groups["start"].Value,
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out long start
            );
            return new(length, part, start * SectorBytes, Sparse: null);
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }

    private (VmdkExtent Extent, long Inside) Locate(long offset)
    {
        foreach (VmdkExtent extent in _extents)
        {
            if (offset < extent.LengthBytes)
            {
                return (extent, offset);
            }

            offset -= extent.LengthBytes;
        }

        throw new ImageException($"'{Path}' ends before byte {offset}");
    }

    private byte[] Grain(VmdkSparse sparse, long grain)
    {
        lock (_inflatedGate)
        {
            if (ReferenceEquals(_inflatedGrain.Sparse, sparse) && _inflatedGrain.Grain == grain)
            {
                return _inflated!;
            }
        }

        byte[] whole = sparse.Inflate(grain);
        lock (_inflatedGate)
        {
            (_inflated, _inflatedGrain) = (whole, (sparse, grain));
        }

        return whole;
    }

    [GeneratedRegex(
        """^\s*parentCID\s*=\s*(?<id>[0-9a-fA-F]+)""",
        RegexOptions.Multiline | RegexOptions.NonBacktracking
    )]
    private static partial Regex ParentPattern();

    [GeneratedRegex(
        """^(?:RW|RDONLY)\s+(?<sectors>\d+)\s+(?<kind>[A-Z]+)(?:\s+"(?<name>[^"\r\n]*)"(?:\s+(?<start>\d+))?)?""",
        RegexOptions.Multiline | RegexOptions.NonBacktracking
    )]
    private static partial Regex ExtentPattern();
}
