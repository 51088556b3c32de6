using System.Buffers.Binary;
using System.Numerics;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <content>Making an image.</content>
public sealed partial class Qcow2Image
{
    private const int L1EntriesMax = (32 << 20) / 8;

    /// <summary>Makes an empty image.</summary>
    /// <param name="path">The file; one that exists is cut to nothing.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ImageException">The options do not go together.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    public static void Create(string path, Qcow2Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        Qcow2Header header = Lay(options, out int blocks);
        using var file = ImageFile.Create(path);
        int bits = header.ClusterBits;
        long blocksOffset = header.RefcountTableOffset + ((long)header.RefcountTableClusters << bits);
        long used = (header.L1Offset >> bits) + L1Clusters(header);

        byte[] table = new byte[(long)header.RefcountTableClusters << bits];
        int blockBits = bits + 3 - header.RefcountOrder;
        for (int index = 0; index < blocks; index++)
        {
            BinaryPrimitives.WriteInt64BigEndian(table.AsSpan(index * 8), blocksOffset + ((long)index << bits));
            RefcountBlock block = new(new byte[1 << bits], header.RefcountOrder);
            long count = Math.Min(1L << blockBits, used - ((long)index << blockBits));
            for (int cluster = 0; cluster < count; cluster++)
            {
                block[cluster] = 1;
            }

            file.Write(blocksOffset + ((long)index << bits), block.Bytes);
        }

        file.Write(header.RefcountTableOffset, table);
        if (file.IsRegular)
        {
            // An L1 table of zeroes.
            file.Resize(used << bits);
        }
        else
        {
            file.WriteZeroes(header.L1Offset, Math.Max(L1Clusters(header), 1L) << bits, mayUnmap: false);
        }

        file.Sync();
        file.Write(0, header.ToCluster());
        file.Sync();
    }

    private static long L1Clusters(Qcow2Header header) =>
        (header.L1Entries * 8L + header.ClusterBytes - 1) >> header.ClusterBits;

    /// <summary>Where everything lies: header, table of counts, blocks of counts, L1 table.</summary>
    private static Qcow2Header Lay(Qcow2Options options, out int blocks)
    {
        Qcow2Incompatible features = options.HasExtendedL2 ? Qcow2Incompatible.ExtendedL2 : Qcow2Incompatible.None;
        features |=
            options.Compression == Qcow2Compression.Zlib ? Qcow2Incompatible.None : Qcow2Incompatible.Compression;
        Qcow2Header header = new()
        {
            Version = options.Version,
            BackingName = options.BackingName,
            BackingFormat = options.BackingFormat,
            ClusterBits = BitOperations.Log2((uint)options.ClusterBytes),
            LengthBytes = options.LengthBytes,
            Incompatible = features,
            HasLazyRefcounts = options.HasLazyRefcounts,
            RefcountOrder = BitOperations.Log2((uint)options.RefcountBits),
            Compression = options.Compression,
        };
        long entries = header.L1EntriesFor(options.LengthBytes);
        if (entries > L1EntriesMax)
        {
            throw new ImageException(
                $"a disk of {options.LengthBytes} bytes is too large for clusters of {options.ClusterBytes} bytes; take larger clusters"
            );
        }

        header = header with { L1Entries = (int)Math.Max(entries, 1) };
        int bits = header.ClusterBits;
        long others = 1 + L1Clusters(header);
        blocks = 1;
        int tableClusters = 1;
        while (others + blocks + tableClusters > (long)blocks << (bits + 3 - header.RefcountOrder))
        {
            blocks++;
            tableClusters = (blocks * 8 + (1 << bits) - 1) >> bits;
        }

        return header with
        {
            RefcountTableOffset = 1L << bits,
            RefcountTableClusters = tableClusters,
            L1Offset = (1L + tableClusters + blocks) << bits,
        };
    }

    private static void Check(Qcow2Options options)
    {
        Require(options.LengthBytes is >= 0 and <= 1L << 62, $"size {options.LengthBytes}: 0 to 2^62 bytes");
        Require(
            BitOperations.IsPow2(options.ClusterBytes) && options.ClusterBytes is >= 512 and <= 2 << 20,
            $"clusters of {options.ClusterBytes} bytes: a power of two from 512 to 2097152"
        );
        Require(options.Version is 2 or 3, $"version {options.Version}: 2 or 3");
        Require(
            BitOperations.IsPow2(options.RefcountBits) && options.RefcountBits is >= 1 and <= 64,
            $"reference counts of {options.RefcountBits} bits: a power of two from 1 to 64"
        );
        bool isPlain =
            !options.HasLazyRefcounts && !options.HasExtendedL2 && options.Compression == Qcow2Compression.Zlib;
        Require(
            options.Version == 3 || (isPlain && options.RefcountBits == 16),
            "version 2 has no lazy reference counts, no extended L2 entries, no other compression than zlib and reference counts of 16 bits only"
        );
        Require(
            !options.HasExtendedL2 || options.ClusterBytes >= 16384,
            $"clusters of {options.ClusterBytes} bytes: at least 16384 with extended L2 entries"
        );
        Require(options.BackingName is not "", "the name of the backing image is empty");
    }

    private static void Require(bool isRight, string message)
    {
        if (!isRight)
        {
            throw new ImageException(message);
        }
    }
}
