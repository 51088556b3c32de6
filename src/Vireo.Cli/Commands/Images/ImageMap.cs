using Vireo.Backends.Block.Images;

namespace Vireo.Cli.Commands.Images;

/// <summary>Where the parts of a disk are, through all the images it is made of.</summary>
internal static class ImageMap
{
    /// <summary>The whole disk in as few ranges as possible.</summary>
    public static List<ImageMapEntry> Of(DiskImage image)
    {
        List<ImageMapEntry> entries = [];
        long offset = 0;
        while (offset < image.LengthBytes)
        {
            ImageMapEntry entry = At(image, offset, image.LengthBytes - offset);
            if (entries.Count > 0 && Continues(entries[^1], entry))
            {
                entries[^1] = entries[^1] with { LengthBytes = entries[^1].LengthBytes + entry.LengthBytes };
            }
            else
            {
                entries.Add(entry);
            }

            offset += entry.LengthBytes;
        }

        return entries;
    }

    /// <summary>What a range begins with.</summary>
    public static ImageMapEntry At(DiskImage image, long offset, long length)
    {
        int depth = 0;
        while (true)
        {
            ImageExtent extent = image.Map(offset, Math.Min(length, image.LengthBytes - offset));
            length = extent.LengthBytes;
            DiskImage? behind = image.Backing;
            if (extent.Kind != ExtentKind.Unallocated || behind is null || offset >= behind.LengthBytes)
            {
                bool isPresent = extent.Kind != ExtentKind.Unallocated;
                bool isZero = extent.Kind is ExtentKind.Zero or ExtentKind.Unallocated;
                bool isCompressed = extent.Kind == ExtentKind.Compressed;
                return new(offset, length, depth, isPresent, isZero, isCompressed, extent.FileOffset, image.Path);
            }

            image = behind;
            depth++;
        }
    }

    private static bool Continues(in ImageMapEntry first, in ImageMapEntry second) =>
        first.Depth == second.Depth
        && first.IsPresent == second.IsPresent
        && first.IsZero == second.IsZero
        && first.IsCompressed == second.IsCompressed
        && (first.FileOffset < 0 ? second.FileOffset < 0 : second.FileOffset == first.FileOffset + first.LengthBytes);
}
