using System.Buffers.Binary;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vhdx;

/// <summary>Hyper-V's disk images, for reading: fixed and dynamic ones that were closed.</summary>
internal static class VhdxFormat
{
    private const int HeaderBytes = 4096;
    private const int RegionTableBytes = 65536;
    private const int RegionsMax = 2047;
    private const int MetadataTableBytes = 65536;
    private const long Mebibyte = 1 << 20;

    /// <summary>A block's state, in the lowest bits of its entry.</summary>
    private const int StateFullyPresent = 6;
    private const int StatePartlyPresent = 7;
    private const int FlagHasParent = 2;

    private static readonly Guid BatRegion = new("2DC27766-F623-4200-9D64-115E9BFD4A08");
    private static readonly Guid MetadataRegion = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");
    private static readonly Guid FileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static readonly Guid DiskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static readonly Guid LogicalSectorSize = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");

    /// <summary>Opens an image.</summary>
    /// <param name="file">The file; becomes the image's unless this throws.</param>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    public static DiskImage Open(ImageFile file)
    {
        ImageFields fields = new(file.Path, "vhdx");
        CheckClosed(file, fields);
        (long bat, long batBytes) = FindRegion(file, BatRegion, fields);
        (long metadata, _) = FindRegion(file, MetadataRegion, fields);
        byte[] parameters = ReadMetadata(file, metadata, FileParameters, fields);
        uint blockBytes = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(parameters.AsSpan(4));
        if ((flags & FlagHasParent) != 0)
        {
            throw fields.NotSupported("that holds differences to another one");
        }

        bool isBlock = blockBytes >= Mebibyte && blockBytes <= 256 * Mebibyte && (blockBytes & (blockBytes - 1)) == 0;
        fields.Require(isBlock, "block size", blockBytes, "a power of two from 1 MiB to 256 MiB");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(ReadMetadata(file, metadata, DiskSize, fields));
        fields.Require(length <= 1UL << 46, "disk size", length, "at most 64 TiB");
        uint sector = BinaryPrimitives.ReadUInt32LittleEndian(ReadMetadata(file, metadata, LogicalSectorSize, fields));
        fields.Require(sector is 512 or 4096, "logical sector size", sector, "512 or 4096");

        // After so many blocks there is an entry for a bitmap, which only images with a parent use.
        long chunk = (1L << 23) * sector / blockBytes;
        long blocks = ((long)length + blockBytes - 1) / blockBytes;
        long entries = blocks + (blocks == 0 ? 0 : (blocks - 1) / chunk);
        bool isCovered = entries * 8 <= batBytes && bat + entries * 8 <= file.LengthBytes;
        fields.Require(
            isCovered,
            "length of the block table",
            (ulong)batBytes,
            $"at least {entries * 8} bytes within the file"
        );
        byte[] table = new byte[entries * 8];
        file.Read(bat, table);
        long[] places = new long[blocks];
        for (long block = 0; block < blocks; block++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(table.AsSpan((int)((block + block / chunk) * 8)));
            int state = (int)(entry & 7);
            fields.Require(
                state != StatePartlyPresent,
                "state of a block",
                (ulong)state,
                "no part of a block in a parent"
            );
            ulong megabytes = entry >> 20;
            bool isPresent = state == StateFullyPresent;
            fields.Require(!isPresent || megabytes < 1UL << 40, "place of a block", megabytes, "at most 2^40 MiB");
            places[block] = isPresent ? (long)megabytes * Mebibyte : BlockMapImage.Nowhere;
        }

        return new BlockMapImage(file, ImageFormat.Vhdx, (long)length, (int)blockBytes, places);
    }

    /// <summary>Of the two headers the one with the higher number holds; it names a log only while the image is in use.</summary>
    private static void CheckClosed(ImageFile file, ImageFields fields)
    {
        byte[] header = new byte[HeaderBytes];
        ulong best = 0;
        bool isFound = false;
        bool hasLog = false;
        foreach (long place in (ReadOnlySpan<long>)[64 * 1024, 128 * 1024])
        {
            file.Read(place, header);
            ulong number = BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(8));
            if (header.AsSpan().StartsWith("head"u8) && HasRightChecksum(header) && (!isFound || number > best))
            {
                (isFound, best) = (true, number);
                hasLog = header.AsSpan(48, 16).ContainsAnyExcept((byte)0);
            }
        }

        fields.Require(isFound, "header", 0, "a header with the right checksum at 64 KiB or 128 KiB");
        if (hasLog)
        {
            throw fields.NotSupported("that was not closed and has a log to be replayed");
        }
    }

    private static (long Offset, long Length) FindRegion(ImageFile file, Guid region, ImageFields fields)
    {
        byte[] table = new byte[RegionTableBytes];
        foreach (long place in (ReadOnlySpan<long>)[192 * 1024, 256 * 1024])
        {
            file.Read(place, table);
            if (!table.AsSpan().StartsWith("regi"u8) || !HasRightChecksum(table))
            {
                continue;
            }

            uint count = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(8));
            fields.Require(count <= RegionsMax, "number of regions", count, $"at most {RegionsMax}");
            for (int index = 0; index < count; index++)
            {
                ReadOnlySpan<byte> entry = table.AsSpan(16 + index * 32, 32);
                if (new Guid(entry[..16]) == region)
                {
                    ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]);
                    fields.Require(offset <= (ulong)file.LengthBytes, "place of a region", offset, "within the file");
                    return ((long)offset, BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]));
                }
            }
        }

        throw new ImageException($"'{file.Path}': the vhdx image has no region {region}");
    }

    private static byte[] ReadMetadata(ImageFile file, long region, Guid item, ImageFields fields)
    {
        byte[] table = new byte[MetadataTableBytes];
        file.Read(region, table);
        fields.Require(
            table.AsSpan().StartsWith("metadata"u8),
            "signature of the metadata",
            0,
            "the letters 'metadata'"
        );
        int count = BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(10));
        fields.Require(count <= RegionsMax, "number of metadata items", (ulong)count, $"at most {RegionsMax}");
        for (int index = 0; index < count; index++)
        {
            ReadOnlySpan<byte> entry = table.AsSpan(32 + index * 32, 32);
            if (new Guid(entry[..16]) == item)
            {
                byte[] value = new byte[8];
                file.Read(region + BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]), value);
                return value;
            }
        }

        throw new ImageException($"'{file.Path}': the vhdx image has no metadata item {item}");
    }

    /// <summary>The checksum (CRC-32C) is counted with its own field, the second word, as zeroes.</summary>
    private static bool HasRightChecksum(byte[] bytes)
    {
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4));
        uint sum = uint.MaxValue;
        for (int index = 0; index < bytes.Length; index++)
        {
            sum = System.Numerics.BitOperations.Crc32C(sum, index is >= 4 and < 8 ? (byte)0 : bytes[index]);
        }

        return ~sum == expected;
    }
}
