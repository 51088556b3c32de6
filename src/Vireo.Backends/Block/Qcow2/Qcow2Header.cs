using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>The header of an image, with every field checked (QEMU docs/interop/qcow2).</summary>
internal sealed record Qcow2Header
{
    /// <summary>"QFI" and 0xFB.</summary>
    public const uint Magic = 0x5146_49FB;

    /// <summary>Length in bytes of the header of version 2, and of the one we write for version 3.</summary>
    public const int LengthV2 = 72;
    public const int LengthV3 = 112;

    /// <summary>Where the fields lie that change while an image is in use.</summary>
    public const int RefcountTableField = 48;
    public const int IncompatibleField = 72;
    public const int AutoclearField = 88;

    /// <summary>Limits: those of QEMU, so that whatever it takes is taken.</summary>
    public const int ClusterBitsMin = 9;
    public const int ClusterBitsMax = 21;
    public const int BackingNameMax = 1023;
    private const int HeaderLengthMax = 64 * 1024;
    private const long L1BytesMax = 32L << 20;
    public const int RefcountTableBytesMax = 8 << 20;
    private const int SnapshotsMax = 65536;
    private const int RefcountOrderMax = 6;
    private const ulong CompatibleLazy = 1;

    private const uint ExtensionEnd = 0;
    private const uint ExtensionBackingFormat = 0xE279_2ACA;

    private const Qcow2Incompatible Known =
        Qcow2Incompatible.Dirty
        | Qcow2Incompatible.Corrupt
        | Qcow2Incompatible.ExternalData
        | Qcow2Incompatible.Compression
        | Qcow2Incompatible.ExtendedL2;

    /// <summary>2 or 3.</summary>
    public int Version { get; init; } = 3;

    /// <summary>Name of the backing image as it is written in the header; null for none.</summary>
    public string? BackingName { get; init; }

    /// <summary>Format of the backing image; null when the header does not say.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>A cluster has 2 to the power of this bytes.</summary>
    public int ClusterBits { get; init; } = 16;

    /// <summary>Size of the disk in bytes.</summary>
    public long LengthBytes { get; init; }

    /// <summary>Entries of the first-level table.</summary>
    public int L1Entries { get; init; }

    /// <summary>Where it lies.</summary>
    public long L1Offset { get; init; }

    /// <summary>Where the table of reference count blocks lies.</summary>
    public long RefcountTableOffset { get; init; }

    /// <summary>Clusters of that table.</summary>
    public int RefcountTableClusters { get; init; }

    /// <summary>How many snapshots there are.</summary>
    public int SnapshotCount { get; init; }

    /// <summary>Where their table lies.</summary>
    public long SnapshotsOffset { get; init; }

    /// <summary>Features without which it cannot be read.</summary>
    public Qcow2Incompatible Incompatible { get; init; }

    /// <summary>Whether reference counts may be written late.</summary>
    public bool HasLazyRefcounts { get; init; }

    /// <summary>Features that a program which does not know them has to take back when it writes.</summary>
    public ulong Autoclear { get; init; }

    /// <summary>A reference count has 2 to the power of this bits.</summary>
    public int RefcountOrder { get; init; } = 4;

    /// <summary>How compressed clusters are compressed.</summary>
    public Qcow2Compression Compression { get; init; }

    /// <summary>Bytes of a cluster.</summary>
    public int ClusterBytes => 1 << ClusterBits;

    /// <summary>Whether L2 entries have a bit for each 32nd part of their cluster.</summary>
    public bool HasExtendedL2 => (Incompatible & Qcow2Incompatible.ExtendedL2) != Qcow2Incompatible.None;

    /// <summary>Bytes of the disk that one L2 table covers.</summary>
    public long BytesPerL2 => (long)ClusterBytes * (ClusterBytes / (HasExtendedL2 ? 16 : 8));

    /// <summary>Reads and checks a header.</summary>
    /// <param name="bytes">The beginning of the file: at least one cluster, zeroes behind the end of the file.</param>
    /// <param name="path">What the file is called, for people.</param>
    /// <exception cref="ImageException">It is no such header, or has something that Vireo does not do.</exception>
    public static Qcow2Header Parse(ReadOnlySpan<byte> bytes, string path)
    {
        if (BinaryPrimitives.ReadUInt32BigEndian(bytes) != Magic)
        {
            throw new ImageException($"'{path}' is no qcow2 image: it does not begin with the bytes 'QFI' and 0xFB");
        }

        uint version = U32(bytes, 4);
        Require(version is 2 or 3, path, "version", version, "2 or 3");
        uint clusterBits = U32(bytes, 20);
        Require(clusterBits is >= ClusterBitsMin and <= ClusterBitsMax, path, "cluster_bits", clusterBits, "9 to 21");
        bool isV3 = version == 3;
        uint headerLength = isV3 ? U32(bytes, 100) : LengthV2;
        uint headerMax = Math.Min(1u << (int)clusterBits, HeaderLengthMax);
        Require(
            headerLength >= (isV3 ? 104 : LengthV2) && headerLength <= headerMax,
            path,
            "header_length",
            headerLength,
            $"104 to {headerMax}"
        );
        var incompatible = (Qcow2Incompatible)(isV3 ? U64(bytes, IncompatibleField) : 0UL);
        Require(
            (incompatible & ~Known) == Qcow2Incompatible.None,
            path,
            "incompatible features",
            (ulong)incompatible,
            "features 0 to 4 only"
        );
        bool hasCompression = headerLength > 104;
        uint compression = hasCompression ? bytes[104] : 0u;
        Require(compression <= 1, path, "compression_type", compression, "0 (zlib) or 1 (zstd)");
        CheckEncryption(U32(bytes, 32), path);
        uint order = isV3 ? U32(bytes, 96) : 4;
        Require(order <= RefcountOrderMax, path, "refcount_order", order, "0 to 6");
        (string? backingFormat, string? backingName) = ParseNames(bytes, (int)headerLength, path);
        Qcow2Header header = new()
        {
            Version = (int)version,
            BackingName = backingName,
            BackingFormat = backingFormat,
            ClusterBits = (int)clusterBits,
            LengthBytes = Size(bytes, path),
            L1Entries = (int)Bounded(U32(bytes, 36), L1BytesMax / 8, path, "l1_size"),
            L1Offset = Offset(bytes, 40, (int)clusterBits, path, "l1_table_offset"),
            RefcountTableOffset = Offset(bytes, 48, (int)clusterBits, path, "refcount_table_offset"),
            RefcountTableClusters = (int)Bounded(
                U32(bytes, 56),
                RefcountTableBytesMax >> (int)clusterBits,
                path,
                "refcount_table_clusters"
            ),
            SnapshotCount = (int)Bounded(U32(bytes, 60), SnapshotsMax, path, "nb_snapshots"),
            SnapshotsOffset = Offset(bytes, 64, (int)clusterBits, path, "snapshots_offset"),
            Incompatible = incompatible,
            HasLazyRefcounts = isV3 && (U64(bytes, 80) & CompatibleLazy) != 0,
            Autoclear = isV3 ? U64(bytes, 88) : 0,
            RefcountOrder = (int)order,
            Compression = (Qcow2Compression)compression,
        };
        header.CheckWhole(path);
        return header;
    }

    /// <summary>Makes the first cluster of a file.</summary>
    public byte[] ToCluster()
    {
        byte[] cluster = new byte[ClusterBytes];
        Span<byte> bytes = cluster;
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], (uint)Version);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[20..], (uint)ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(bytes[24..], LengthBytes);
        BinaryPrimitives.WriteInt32BigEndian(bytes[36..], L1Entries);
        BinaryPrimitives.WriteInt64BigEndian(bytes[40..], L1Offset);
        BinaryPrimitives.WriteInt64BigEndian(bytes[48..], RefcountTableOffset);
        BinaryPrimitives.WriteInt32BigEndian(bytes[56..], RefcountTableClusters);
        int position = LengthV2;
        if (Version == 3)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes[72..], (ulong)Incompatible);
            BinaryPrimitives.WriteUInt64BigEndian(bytes[80..], HasLazyRefcounts ? CompatibleLazy : 0);
            BinaryPrimitives.WriteInt32BigEndian(bytes[96..], RefcountOrder);
            BinaryPrimitives.WriteInt32BigEndian(bytes[100..], LengthV3);
            bytes[104] = (byte)Compression;
            position = LengthV3;
        }

        if (BackingFormat is { } format)
        {
            int length = Encoding.UTF8.GetBytes(format, bytes[(position + 8)..]);
            BinaryPrimitives.WriteUInt32BigEndian(bytes[position..], ExtensionBackingFormat);
            BinaryPrimitives.WriteInt32BigEndian(bytes[(position + 4)..], length);
            position += 8 + (length + 7) / 8 * 8;
        }

        // Eight zeroes end the extensions.
        position += 8;
        if (BackingName is { } name)
        {
            byte[] encoded = Encoding.UTF8.GetBytes(name);
            if (encoded.Length > BackingNameMax || position + encoded.Length > ClusterBytes)
            {
                throw new ImageException(
                    $"the name of the backing image has {encoded.Length} bytes; there is room for {Math.Min(BackingNameMax, ClusterBytes - position)}"
                );
            }

            encoded.CopyTo(bytes[position..]);
            BinaryPrimitives.WriteInt64BigEndian(bytes[8..], position);
            BinaryPrimitives.WriteInt32BigEndian(bytes[16..], encoded.Length);
        }

        return cluster;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64BigEndian(bytes[offset..]);

    private static void Require(bool isRight, string path, string field, ulong value, string expected)
    {
        if (!isRight)
        {
            throw new ImageException(
                $"'{path}': the field {field} of the qcow2 header is {value}; expected {expected}"
            );
        }
    }

    private static void CheckEncryption(uint method, string path)
    {
        if (method != 0)
        {
            string name = method switch
            {
                1 => "AES",
                2 => "LUKS",
                _ => $"method {method}",
            };
            throw new ImageException(
                $"'{path}' is encrypted ({name}), which is not supported; decrypt it with 'qemu-img convert' first"
            );
        }
    }

    private static long Size(ReadOnlySpan<byte> bytes, string path)
    {
        ulong size = U64(bytes, 24);
        Require(size <= 1UL << 62, path, "size", size, "at most 2^62 bytes");
        return (long)size;
    }

    private static long Bounded(ulong value, long most, string path, string field)
    {
        Require(value <= (ulong)most, path, field, value, $"at most {most}");
        return (long)value;
    }

    private static long Offset(ReadOnlySpan<byte> bytes, int field, int clusterBits, string path, string name)
    {
        ulong offset = U64(bytes, field);
        ulong mask = (1UL << clusterBits) - 1;
        Require(
            offset < 1UL << 56 && (offset & mask) == 0,
            path,
            name,
            offset,
            "the beginning of a cluster below 2^56"
        );
        return (long)offset;
    }

    private static (string? BackingFormat, string? BackingName) ParseNames(
        ReadOnlySpan<byte> bytes,
        int position,
        string path
    )
    {
        ulong nameOffset = U64(bytes, 8);
        uint nameLength = U32(bytes, 16);
        string? name = null;
        int limit = bytes.Length;
        if (nameOffset != 0)
        {
            Require(
                nameLength is > 0 and <= BackingNameMax,
                path,
                "backing_file_size",
                nameLength,
                $"1 to {BackingNameMax}"
            );
            Require(
                nameOffset <= (ulong)bytes.Length - nameLength,
                path,
                "backing_file_offset",
                nameOffset,
                "within the first cluster"
            );
            name = Encoding.UTF8.GetString(bytes.Slice((int)nameOffset, (int)nameLength));
            limit = (int)nameOffset;
        }

        string? format = null;
        while (position + 8 <= limit)
        {
            uint type = U32(bytes, position);
            uint length = U32(bytes, position + 4);
            if (type == ExtensionEnd)
            {
                break;
            }

            Require(
                length <= (uint)(limit - position - 8),
                path,
                "length of a header extension",
                length,
                $"at most {limit - position - 8}"
            );
            if (type == ExtensionBackingFormat)
            {
                format = Encoding.UTF8.GetString(bytes.Slice(position + 8, (int)length));
            }

            position += 8 + ((int)length + 7) / 8 * 8;
        }

        return (format, name);
    }

    /// <summary>Checks what involves several fields.</summary>
    private void CheckWhole(string path)
    {
        if ((Incompatible & Qcow2Incompatible.ExternalData) != Qcow2Incompatible.None)
        {
            throw new ImageException(
                $"'{path}' keeps its data in another file, which is not supported; convert it with 'qemu-img convert' first"
            );
        }

        Require(
            !HasExtendedL2 || ClusterBits >= 14,
            path,
            "cluster_bits",
            (ulong)ClusterBits,
            "at least 14 with extended L2 entries"
        );
        bool isUsual = Compression == Qcow2Compression.Zlib;
        bool isSaid = (Incompatible & Qcow2Incompatible.Compression) != Qcow2Incompatible.None;
        Require(isUsual != isSaid, path, "compression_type", (ulong)Compression, "what the incompatible features say");
        long needed = L1EntriesFor(LengthBytes);
        Require(
            L1Entries >= needed,
            path,
            "l1_size",
            (ulong)L1Entries,
            $"at least {needed} for a disk of {LengthBytes} bytes"
        );
        Require(L1Entries == 0 || L1Offset != 0, path, "l1_table_offset", 0, "a place behind the header");
        Require(
            RefcountTableClusters > 0 && RefcountTableOffset != 0,
            path,
            "refcount_table_offset",
            (ulong)RefcountTableOffset,
            "a table of at least one cluster behind the header"
        );
    }

    /// <summary>Entries of the first-level table that a disk needs.</summary>
    public long L1EntriesFor(long lengthBytes) =>
        (lengthBytes >> BitOperations.Log2((ulong)BytesPerL2)) + ((lengthBytes & (BytesPerL2 - 1)) != 0 ? 1 : 0);
}
