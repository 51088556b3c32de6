using System.IO.Compression;
using Vireo.Backends.Block.Images;
using Vireo.Linux.Compression;

namespace Vireo.Backends.Block.Qcow2;

/// <content>Compressed clusters.</content>
public sealed partial class Qcow2Image
{
    private const int SectorBits = 9;

    /// <summary>The cluster that was last decompressed: whoever reads on wants the rest of it. Guarded by itself.</summary>
    private readonly Lock _inflatedGate = new();
    private byte[]? _inflated;
    private long _inflatedCluster = -1;
    private ulong _inflatedWord;

    /// <summary>Where compressed data are written next; 0 when that is in no cluster. Under the slow lock.</summary>
    private long _nextCompressed;

    private protected override void ReadCompressed(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int inside = (int)(offset & (_clusterBytes - 1));
            Span<byte> piece = destination[..Math.Min(destination.Length, _clusterBytes - inside)];
            ReadCompressed(offset >> _clusterBits, inside, piece);
            offset += piece.Length;
            destination = destination[piece.Length..];
        }
    }

    /// <summary>Writes a whole cluster compressed, into an image that is being made.</summary>
    /// <param name="offset">First byte of the cluster.</param>
    /// <param name="source">The cluster; fewer bytes at the end of the disk only.</param>
    /// <returns>False when it does not get smaller; nothing was written.</returns>
    internal bool TryWriteCompressed(long offset, ReadOnlySpan<byte> source)
    {
        byte[] whole = new byte[_clusterBytes];
        source.CopyTo(whole);
        byte[] packed = new byte[_clusterBytes];
        int length =
            _header.Compression == Qcow2Compression.Zstd ? Zstd.Compress(whole, packed) : Deflate(whole, packed);
        if (length is 0 || length >= _clusterBytes)
        {
            return false;
        }

        lock (_slow)
        {
            PrepareToWrite();
            long host = TakeBytes(length);
            _file.Write(host, packed.AsSpan(0, length));
            int shift = 62 - (_clusterBits - 8);
            long sectors = ((host + length - 1) >> SectorBits) - (host >> SectorBits);
            ulong word = CompressedFlag | (ulong)host | ((ulong)sectors << shift);
            L2Table table = WritableTable(L1IndexOf(offset));
            int entry = EntryOf(offset);
            ulong old = table.Words[entry];
            SetEntry(table, entry, word, 0);
            ReleaseOld(old);
        }

        return true;
    }

    private void ReadCompressed(long cluster, int inside, Span<byte> destination)
    {
        ulong word;
        lock (_slow)
        {
            word = Table(L1IndexOf(cluster << _clusterBits))!.Words[EntryOf(cluster << _clusterBits)];
        }

        lock (_inflatedGate)
        {
            if (_inflatedCluster == cluster && _inflatedWord == word)
            {
                _inflated.AsSpan(inside, destination.Length).CopyTo(destination);
                return;
            }
        }

        byte[] whole = Inflate(word);
        whole.AsSpan(inside, destination.Length).CopyTo(destination);
        lock (_inflatedGate)
        {
            (_inflated, _inflatedCluster, _inflatedWord) = (whole, cluster, word);
        }
    }

    private byte[] Inflate(ulong word)
    {
        (long host, int length) = CompressedPlace(word);
        byte[] packed = new byte[length];
        _file.Read(host, packed);
        byte[] whole = new byte[_clusterBytes];
        if (_header.Compression == Qcow2Compression.Zstd)
        {
            if (!Zstd.TryDecompress(packed, whole))
            {
                throw new ImageException($"'{Path}': compressed data at {host} are broken");
            }

            return whole;
        }

        using MemoryStream source = new(packed, writable: false);
        using DeflateStream inflater = new(source, CompressionMode.Decompress);
        try
        {
            inflater.ReadExactly(whole);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new ImageException($"'{Path}': compressed data at {host} are broken: {exception.Message}", exception);
        }

        return whole;
    }

    /// <summary>Where the compressed data of an entry are; the last bytes may be another's.</summary>
    private (long Host, int Length) CompressedPlace(ulong word)
    {
        int shift = 62 - (_clusterBits - 8);
        long host = (long)(word & ((1UL << shift) - 1));
        long sectors = (long)((word & ~(Copied | CompressedFlag)) >> shift) + 1;
        return (host, (int)((sectors << SectorBits) - (host & ((1 << SectorBits) - 1))));
    }

    private static int Deflate(byte[] source, byte[] destination)
    {
        using MemoryStream packed = new(destination);
        try
        {
            using DeflateStream deflater = new(packed, CompressionLevel.Optimal, leaveOpen: true);
            deflater.Write(source);
        }
        catch (NotSupportedException)
        {
            // It does not fit, so it has become larger.
            return 0;
        }

        return (int)packed.Position;
    }

    /// <summary>Takes room for compressed data, behind those that were written before if they end inside a cluster.</summary>
    private long TakeBytes(int length)
    {
        long inside = _nextCompressed & (_clusterBytes - 1);
        long host = _nextCompressed;
        if (inside == 0 || inside + length > _clusterBytes || !_refcounts.TryAdd(_nextCompressed >> _clusterBits))
        {
            host = _refcounts.TakeRun(1) << _clusterBits;
            _fileEnd = Math.Max(_fileEnd, host + _clusterBytes);
        }

        _nextCompressed = host + length;
        return host;
    }
}
