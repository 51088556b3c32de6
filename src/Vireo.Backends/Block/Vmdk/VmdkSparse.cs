using System.Buffers.Binary;
using System.IO.Compression;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vmdk;

/// <summary>A sparse file of VMware's: grains, found through a directory of tables; perhaps each compressed.</summary>
internal sealed class VmdkSparse
{
    /// <summary>A grain that is nowhere and reads as zeroes.</summary>
    public const long Nowhere = -1;

    private const int SectorBytes = 512;
    private const int HeaderBytes = 512;
    private const uint FlagZeroGrain = 4;
    private const uint FlagCompressed = 1 << 16;
    private const ulong DirectoryAtEnd = ulong.MaxValue;
    private const int FooterFromEnd = 1024;
    private const int MarkerBytes = 12;
    private const ulong TableEntriesMax = 512;

    private readonly ImageFile _file;

    /// <summary>Where each grain is in the file, in sectors; 0 for nowhere.</summary>
    private readonly uint[] _grains;

    private VmdkSparse(ImageFile file, int grainBytes, bool isCompressed, long lengthBytes, uint[] grains)
    {
        _file = file;
        GrainBytes = grainBytes;
        IsCompressed = isCompressed;
        LengthBytes = lengthBytes;
        _grains = grains;
    }

    /// <summary>Bytes of a grain.</summary>
    public int GrainBytes { get; }

    /// <summary>Whether grains are compressed.</summary>
    public bool IsCompressed { get; }

    /// <summary>Bytes of the disk that this file holds.</summary>
    public long LengthBytes { get; }

    /// <summary>Where the description of the disk is in the file; length 0 for nowhere.</summary>
    public (long Offset, long Length) Description { get; private init; }

    /// <summary>Reads header, directory and tables.</summary>
    /// <exception cref="ImageException">They are not what they should be.</exception>
    public static VmdkSparse Open(ImageFile file)
    {
        ImageFields fields = new(file.Path, "vmdk");
        byte[] header = new byte[HeaderBytes];
        file.Read(0, header);
        fields.Require(header.AsSpan().StartsWith("KDMV"u8), "signature", U32(header, 0), "the letters 'KDMV'");
        (ulong descriptionAt, ulong descriptionLength) = (U64(header, 28), U64(header, 36));
        if (U64(header, 56) == DirectoryAtEnd)
        {
            file.Read(Math.Max(0, file.LengthBytes - FooterFromEnd), header);
            fields.Require(
                header.AsSpan().StartsWith("KDMV"u8),
                "signature of the footer",
                U32(header, 0),
                "the letters 'KDMV'"
            );
        }

        uint version = U32(header, 4);
        fields.Require(version is >= 1 and <= 3, "version", version, "1 to 3");
        ulong sectors = U64(header, 12);
        ulong grainSectors = U64(header, 20);
        fields.Require(sectors <= 1UL << 45, "capacity", sectors, "at most 2^45 sectors");
        bool isGrain = grainSectors is >= 1 and <= 65536 && (grainSectors & (grainSectors - 1)) == 0;
        fields.Require(isGrain, "grain size", grainSectors, "a power of two from 1 to 65536 sectors");
        ulong perTable = U32(header, 44);
        fields.Require(
            perTable is >= 1 and <= TableEntriesMax,
            "entries of a grain table",
            perTable,
            $"1 to {TableEntriesMax}"
        );
        ulong count = (sectors + grainSectors - 1) / grainSectors;
        fields.Require(
            count <= (ulong)BlockMapImage.BlocksMax,
            "capacity",
            sectors,
            $"at most {BlockMapImage.BlocksMax} grains"
        );
        uint flags = U32(header, 8);
        bool hasZeroes = (flags & FlagZeroGrain) != 0;
        uint[] grains = ReadGrains(file, U64(header, 56), (int)count, (int)perTable, hasZeroes, fields);
        return new(
            file,
            (int)grainSectors * SectorBytes,
            (flags & FlagCompressed) != 0,
            (long)sectors * SectorBytes,
            grains
        )
        {
            Description = Place(descriptionAt, descriptionLength, file, fields),
        };
    }

    /// <summary>Where a grain begins in the file.</summary>
    public long PlaceOf(long grain) => _grains[grain] == 0 ? Nowhere : (long)_grains[grain] * SectorBytes;

    /// <summary>Reads a grain that is compressed.</summary>
    /// <exception cref="ImageException">It is broken.</exception>
    public byte[] Inflate(long grain)
    {
        byte[] marker = new byte[MarkerBytes];
        long place = PlaceOf(grain);
        _file.Read(place, marker);
        uint length = U32(marker, 8);
        if (length == 0 || length > 2 * (uint)GrainBytes + SectorBytes)
        {
            throw new ImageException($"'{_file.Path}': the compressed grain at {place} has {length} bytes");
        }

        byte[] packed = new byte[length];
        _file.Read(place + MarkerBytes, packed);
        byte[] whole = new byte[GrainBytes];
        using MemoryStream source = new(packed, writable: false);
        using ZLibStream inflater = new(source, CompressionMode.Decompress);
        try
        {
            // The last grain of a disk may be shorter.
            _ = inflater.ReadAtLeast(whole, whole.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException exception)
        {
            throw new ImageException(
                $"'{_file.Path}': the compressed grain at {place} is broken: {exception.Message}",
                exception
            );
        }

        return whole;
    }

    private static (long Offset, long Length) Place(ulong sector, ulong sectors, ImageFile file, ImageFields fields)
    {
        const ulong SectorsMax = 2048;
        fields.Require(sectors <= SectorsMax, "length of the description", sectors, $"at most {SectorsMax} sectors");
        bool isInFile = sector <= (ulong)file.LengthBytes / SectorBytes;
        fields.Require(isInFile, "place of the description", sector, "a sector of the file");
        return ((long)sector * SectorBytes, (long)sectors * SectorBytes);
    }

    private static uint[] ReadGrains(
        ImageFile file,
        ulong directorySector,
        int count,
        int perTable,
        bool hasZeroes,
        ImageFields fields
    )
    {
        int tables = (int)(((long)count + perTable - 1) / perTable);
        bool isInFile =
            directorySector <= (ulong)file.LengthBytes / SectorBytes
            && (long)directorySector * SectorBytes + tables * 4L <= file.LengthBytes;
        fields.Require(isInFile, "place of the grain directory", directorySector, $"{tables} entries within the file");
        byte[] directory = new byte[tables * 4L];
        file.Read((long)directorySector * SectorBytes, directory);
        uint[] grains = new uint[count];
        byte[] table = new byte[perTable * 4];
        for (int index = 0; index < tables; index++)
        {
            uint sector = U32(directory, index * 4);
            if (sector == 0)
            {
                continue;
            }

            file.Read((long)sector * SectorBytes, table);
            int first = index * perTable;
            for (int entry = 0; entry < Math.Min(perTable, count - first); entry++)
            {
                uint place = U32(table, entry * 4);
                grains[first + entry] = hasZeroes && place == 1 ? 0 : place;
            }
        }

        return grains;
    }

    private static uint U32(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));

    private static ulong U64(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));
}
