using System.Buffers.Binary;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vhd;

/// <summary>Virtual PC's disk images, for reading: fixed and dynamic ones.</summary>
internal static class VhdFormat
{
    private const int FooterBytes = 512;
    private const int SectorBytes = 512;
    private const uint TypeFixed = 2;
    private const uint TypeDynamic = 3;
    private const uint TypeDifferencing = 4;
    private const int BlockBytesMax = 256 << 20;
    private const uint EntryNowhere = 0xFFFF_FFFF;

    /// <summary>The largest disk that cylinders, heads and sectors can say; larger ones say this, too.</summary>
    private const long GeometrySectorsMax = 65535L * 16 * 255;

    /// <summary>Opens an image.</summary>
    /// <param name="file">The file; becomes the image's unless this throws.</param>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    public static DiskImage Open(ImageFile file)
    {
        ImageFields fields = new(file.Path, "vpc");
        byte[] footer = ReadFooter(file);
        uint type = U32(footer, 60);
        if (type == TypeDifferencing)
        {
            throw fields.NotSupported("that holds differences to another one");
        }

        fields.Require(type is TypeFixed or TypeDynamic, "disk type", type, "2 (fixed) or 3 (dynamic)");
        long length = LengthOf(footer, fields);
        if (type == TypeFixed)
        {
            bool isWhole = length <= file.LengthBytes - FooterBytes;
            fields.Require(
                isWhole,
                "size",
                (ulong)length,
                $"at most {file.LengthBytes - FooterBytes}, what the file holds"
            );
            return new RawImage(file, 0, length, ImageFormat.Vhd);
        }

        return OpenDynamic(file, footer, length, fields);
    }

    private static BlockMapImage OpenDynamic(ImageFile file, byte[] footer, long length, ImageFields fields)
    {
        ulong place = U64(footer, 16);
        fields.Require(place <= (ulong)file.LengthBytes, "data offset", place, "a place in the file");
        byte[] header = new byte[1024];
        file.Read((long)place, header);
        fields.Require(
            header.AsSpan().StartsWith("cxsparse"u8),
            "cookie of the header",
            U64(header, 0),
            "the letters 'cxsparse'"
        );
        ulong tableOffset = U64(header, 16);
        uint entries = U32(header, 28);
        uint blockBytes = U32(header, 32);
        bool isBlock = blockBytes >= SectorBytes && blockBytes <= BlockBytesMax && (blockBytes & (blockBytes - 1)) == 0;
        fields.Require(isBlock, "block size", blockBytes, $"a power of two from {SectorBytes} to {BlockBytesMax}");
        fields.Require(
            entries <= BlockMapImage.BlocksMax,
            "table entries",
            entries,
            $"at most {BlockMapImage.BlocksMax}"
        );
        fields.Require(
            length <= (long)entries * blockBytes,
            "size",
            (ulong)length,
            $"at most {(long)entries * blockBytes}"
        );
        bool isInFile = tableOffset <= (ulong)file.LengthBytes && (long)tableOffset + entries * 4L <= file.LengthBytes;
        fields.Require(isInFile, "table offset", tableOffset, $"a table of {entries} entries within the file");

        // Each block begins with a bit for each of its sectors, in whole sectors.
        long bitmapBytes = (blockBytes / SectorBytes / 8 + SectorBytes - 1) / SectorBytes * SectorBytes;
        byte[] table = new byte[entries * 4L];
        file.Read((long)tableOffset, table);
        long[] places = new long[entries];
        for (int block = 0; block < places.Length; block++)
        {
            uint sector = U32(table, block * 4);
            places[block] = sector == EntryNowhere ? BlockMapImage.Nowhere : (long)sector * SectorBytes + bitmapBytes;
        }

        return new BlockMapImage(file, ImageFormat.Vhd, length, (int)blockBytes, places);
    }

    /// <summary>The footer is at the end; a dynamic image has a copy at the beginning.</summary>
    private static byte[] ReadFooter(ImageFile file)
    {
        byte[] footer = new byte[FooterBytes];
        foreach (long place in (ReadOnlySpan<long>)[0, Math.Max(0, file.LengthBytes - FooterBytes)])
        {
            file.Read(place, footer);
            if (footer.AsSpan().StartsWith("conectix"u8))
            {
                return footer;
            }
        }

        throw new ImageException(
            $"'{file.Path}' is no vpc image: neither its first nor its last sector begins with 'conectix'"
        );
    }

    /// <summary>The size of the disk: by geometry where that is what the program that made the image goes by.</summary>
    private static long LengthOf(byte[] footer, ImageFields fields)
    {
        string creator = Encoding.Latin1.GetString(footer.AsSpan(28, 4));
        long geometry = (long)BinaryPrimitives.ReadUInt16BigEndian(footer.AsSpan(56)) * footer[58] * footer[59];
        ulong size = U64(footer, 48);
        bool isBySize = creator is "win " or "qem2" or "d2v " or "tap\0" or "CTXS" || geometry == GeometrySectorsMax;
        fields.Require(size <= 1UL << 56, "current size", size, "at most 2^56 bytes");
        return isBySize ? (long)size : geometry * SectorBytes;
    }

    private static uint U32(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset));

    private static ulong U64(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(offset));
}
