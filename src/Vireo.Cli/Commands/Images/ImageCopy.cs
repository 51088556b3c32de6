using Vireo.Backends.Block.Images;

namespace Vireo.Cli.Commands.Images;

/// <summary>Copies what a disk holds into an image that reads as zeroes.</summary>
internal static class ImageCopy
{
    private const int PieceBytes = 2 << 20;

    /// <summary>Zeroes in a piece are looked for in steps of this size.</summary>
    private const int GrainBytes = 4096;

    /// <summary>Copies.</summary>
    /// <param name="source">The disk.</param>
    /// <param name="target">An image that was just made, at least as large.</param>
    /// <param name="compresses">Whether its clusters are compressed.</param>
    /// <param name="progress">Told how far it is.</param>
    public static void Run(DiskImage source, DiskImage target, bool compresses, ImageProgress progress)
    {
        byte[] buffer = new byte[PieceBytes];
        long offset = 0;
        while (offset < source.LengthBytes)
        {
            progress.Report(offset);
            long room = PieceBytes - offset % PieceBytes;
            ImageMapEntry entry = ImageMap.At(source, offset, source.LengthBytes - offset);
            if (entry.IsZero)
            {
                // Whole pieces only, so that no cluster of the target is written in two steps.
                long end = offset + entry.LengthBytes;
                end = end == source.LengthBytes ? end : end - end % PieceBytes;
                if (end > offset)
                {
                    offset = end;
                    continue;
                }
            }

            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(room, source.LengthBytes - offset));
            source.Read(offset, piece);
            if (compresses)
            {
                WriteCompressed(target, offset, piece);
            }
            else
            {
                WriteData(target, offset, piece);
            }

            offset += piece.Length;
        }

        progress.Report(offset);
    }

    private static void WriteCompressed(DiskImage target, long offset, ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            ReadOnlySpan<byte> cluster = piece[..Math.Min(target.ClusterBytes, piece.Length)];
            if (cluster.ContainsAnyExcept((byte)0))
            {
                DiskImages.WriteCompressed(target, offset, cluster);
            }

            offset += cluster.Length;
            piece = piece[cluster.Length..];
        }
    }

    /// <summary>Writes what is not zero.</summary>
    private static void WriteData(DiskImage target, long offset, ReadOnlySpan<byte> piece)
    {
        int start = 0;
        while (start < piece.Length)
        {
            int skipped = Extent(piece[start..], isZero: true);
            start += skipped;
            int length = Extent(piece[start..], isZero: false);
            if (length > 0)
            {
                target.Write(offset + start, piece.Slice(start, length));
                start += length;
            }
        }
    }

    private static int Extent(ReadOnlySpan<byte> bytes, bool isZero)
    {
        int length = 0;
        while (length < bytes.Length)
        {
            ReadOnlySpan<byte> grain = bytes[length..Math.Min(length + GrainBytes, bytes.Length)];
            if (!grain.ContainsAnyExcept((byte)0) != isZero)
            {
                break;
            }

            length += grain.Length;
        }

        return length;
    }
}
