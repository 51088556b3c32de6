using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Tests.Backends.Block.Images;

/// <summary>Small images of other programs' formats, laid out by hand: blocks in the reverse of their order, those of zeroes left out.</summary>
internal static class ForeignImages
{
    private const int Sector = 512;
    private const int MiB = 1 << 20;

    /// <summary>Makes an image.</summary>
    /// <param name="format">VDI, VHD, VHDX or VMDK.</param>
    /// <param name="content">The disk; whole MiB.</param>
    public static byte[] Make(ImageFormat format, byte[] content) =>
        format switch
        {
            ImageFormat.Vdi => Vdi(content),
            ImageFormat.Vhd => Vhd(content),
            ImageFormat.Vhdx => Vhdx(content),
            ImageFormat.Vmdk => Vmdk(content),
            _ => throw new ArgumentOutOfRangeException(nameof(format)),
        };

    private static byte[] Vdi(byte[] content)
    {
        const int BlockBytes = 64 * 1024;
        const int MapOffset = 512;
        const int DataOffset = 4096;
        int blocks = content.Length / BlockBytes;
        byte[] header = new byte[DataOffset];
        U32(header, 0x40, 0xBEDA107F);
        U32(header, 0x44, 0x0001_0001);
        U32(header, 0x48, 0x190);
        U32(header, 0x4C, 1);
        U32(header, 0x154, MapOffset);
        U32(header, 0x158, DataOffset);
        U32(header, 0x168, Sector);
        U64(header, 0x170, (ulong)content.Length);
        U32(header, 0x178, BlockBytes);
        U32(header, 0x180, (uint)blocks);
        List<byte> file = [.. header];
        for (int block = blocks - 1; block >= 0; block--)
        {
            ReadOnlySpan<byte> bytes = content.AsSpan(block * BlockBytes, BlockBytes);
            bool isZero = !bytes.ContainsAnyExcept((byte)0);
            uint place = (uint)((file.Count - DataOffset) / BlockBytes);
            U32(header, MapOffset + block * 4, isZero ? uint.MaxValue : place);
            file.AddRange(isZero ? [] : bytes);
        }

        return Over(file, header, 0);
    }

    private static byte[] Vhd(byte[] content)
    {
        const int BlockBytes = 64 * 1024;
        const int TableOffset = 1536;
        int blocks = content.Length / BlockBytes;
        byte[] footer = new byte[Sector];
        "conectix"u8.CopyTo(footer);
        BinaryPrimitives.WriteUInt64BigEndian(footer.AsSpan(16), Sector);
        "win "u8.CopyTo(footer.AsSpan(28));
        BinaryPrimitives.WriteUInt64BigEndian(footer.AsSpan(40), (ulong)content.Length);
        BinaryPrimitives.WriteUInt64BigEndian(footer.AsSpan(48), (ulong)content.Length);
        BinaryPrimitives.WriteUInt32BigEndian(footer.AsSpan(60), 3);
        byte[] header = new byte[TableOffset + (blocks * 4 + Sector - 1) / Sector * Sector];
        footer.CopyTo(header, 0);
        "cxsparse"u8.CopyTo(header.AsSpan(Sector));
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(Sector + 16), TableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(Sector + 28), (uint)blocks);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(Sector + 32), BlockBytes);
        List<byte> file = [.. header];
        for (int block = blocks - 1; block >= 0; block--)
        {
            ReadOnlySpan<byte> bytes = content.AsSpan(block * BlockBytes, BlockBytes);
            bool isZero = !bytes.ContainsAnyExcept((byte)0);
            uint place = isZero ? uint.MaxValue : (uint)(file.Count / Sector);
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(TableOffset + block * 4), place);
            if (!isZero)
            {
                // A bit for each sector, then the sectors.
                file.AddRange(Enumerable.Repeat(byte.MaxValue, Sector));
                file.AddRange(bytes);
            }
        }

        file.AddRange(footer);
        return Over(file, header, 0);
    }

    private static byte[] Vhdx(byte[] content)
    {
        const int Head = 64 * 1024;
        const int Regions = 192 * 1024;
        const int Metadata = MiB;
        const int Table = 2 * MiB;
        int blocks = content.Length / MiB;
        byte[] header = new byte[3 * MiB];
        "vhdxfile"u8.CopyTo(header);
        "head"u8.CopyTo(header.AsSpan(Head));
        U64(header, Head + 8, 1);
        Checksum(header, Head, 4096);
        "regi"u8.CopyTo(header.AsSpan(Regions));
        U32(header, Regions + 8, 2);
        Region(header, Regions + 16, "2DC27766-F623-4200-9D64-115E9BFD4A08", Table, MiB);
        Region(header, Regions + 48, "8B7CA206-4790-4B9A-B8FE-575F050F886E", Metadata, MiB);
        Checksum(header, Regions, 65536);
        "metadata"u8.CopyTo(header.AsSpan(Metadata));
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(Metadata + 10), 3);
        Item(header, Metadata, 0, "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", MiB);
        Item(header, Metadata, 1, "2FA54224-CD1B-4876-B211-5DBED83BF4B8", (ulong)content.Length);
        Item(header, Metadata, 2, "8141BF1D-A96F-4709-BA47-F233A8FAAB5F", Sector);
        List<byte> file = [.. header];
        for (int block = blocks - 1; block >= 0; block--)
        {
            ReadOnlySpan<byte> bytes = content.AsSpan(block * MiB, MiB);
            bool isZero = !bytes.ContainsAnyExcept((byte)0);
            U64(header, Table + block * 8, isZero ? 0 : ((ulong)(file.Count / MiB) << 20) | 6);
            file.AddRange(isZero ? [] : bytes);
        }

        return Over(file, header, 0);
    }

    private static byte[] Vmdk(byte[] content)
    {
        const int GrainBytes = 64 * 1024;
        const int PerTable = 512;
        const int Directory = 2 * Sector;
        const int Tables = 4 * Sector;
        int grains = content.Length / GrainBytes;
        int tables = (grains + PerTable - 1) / PerTable;
        byte[] header = new byte[Tables + tables * PerTable * 4];
        "KDMV"u8.CopyTo(header);
        U32(header, 4, 1);
        U32(header, 8, 3);
        U64(header, 12, (ulong)(content.Length / Sector));
        U64(header, 20, GrainBytes / Sector);
        U64(header, 28, 1);
        U64(header, 36, 1);
        U32(header, 44, PerTable);
        U64(header, 56, Directory / Sector);
        Encoding.ASCII.GetBytes("# Disk DescriptorFile\nparentCID=ffffffff\n").CopyTo(header, Sector);
        for (int table = 0; table < tables; table++)
        {
            U32(header, Directory + table * 4, (uint)((Tables + table * PerTable * 4) / Sector));
        }

        List<byte> file = [.. header];
        for (int grain = grains - 1; grain >= 0; grain--)
        {
            ReadOnlySpan<byte> bytes = content.AsSpan(grain * GrainBytes, GrainBytes);
            bool isZero = !bytes.ContainsAnyExcept((byte)0);
            U32(header, Tables + grain * 4, isZero ? 0 : (uint)(file.Count / Sector));
            file.AddRange(isZero ? [] : bytes);
        }

        return Over(file, header, 0);
    }

    private static void Region(byte[] bytes, int at, string id, ulong offset, uint length)
    {
        new Guid(id).TryWriteBytes(bytes.AsSpan(at));
        U64(bytes, at + 16, offset);
        U32(bytes, at + 24, length);
        U32(bytes, at + 28, 1);
    }

    private static void Item(byte[] bytes, int table, int index, string id, ulong value)
    {
        int entry = table + 32 + index * 32;
        int place = 65536 + index * 16;
        new Guid(id).TryWriteBytes(bytes.AsSpan(entry));
        U32(bytes, entry + 16, (uint)place);
        U32(bytes, entry + 20, 8);
        U64(bytes, table + place, value);
    }

    private static void Checksum(byte[] bytes, int at, int length)
    {
        uint sum = uint.MaxValue;
        foreach (byte one in bytes.AsSpan(at, length))
        {
            sum = BitOperations.Crc32C(sum, one);
        }

        U32(bytes, at + 4, ~sum);
    }

    private static byte[] Over(List<byte> file, byte[] header, int at)
    {
        byte[] bytes = [.. file];
        header.CopyTo(bytes, at);
        return bytes;
    }

    private static void U32(byte[] bytes, int at, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);

    private static void U64(byte[] bytes, int at, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), value);
}
