using System.Buffers.Binary;
using Vireo.Backends.Block.Images;
using Vireo.Core.Spec;

namespace Vireo.Backends.Block.Qcow2;

/// <content>Where the bytes of the disk are.</content>
public sealed partial class Qcow2Image
{
    /// <summary>Accesses on their way, begun while the epoch was even, and odd. Under the fast lock.</summary>
    private readonly int[] _accesses = new int[2];

    /// <summary>0 or 1: the epoch in which accesses begin at present. Under the fast lock.</summary>
    private int _epoch;

    /// <inheritdoc/>
    public override ImageExtent Map(long offset, long length)
    {
        length = Math.Min(length, LengthBytes - offset);
        lock (_slow)
        {
            int l1Index = L1IndexOf(offset);
            if (Table(l1Index) is not { } table)
            {
                return new(
                    ExtentKind.Unallocated,
                    Math.Min(length, _header.BytesPerL2 - (offset & (_header.BytesPerL2 - 1)))
                );
            }

            (ClusterState state, long host, long run) = Run(table, offset, length);
            return state switch
            {
                ClusterState.Data => new(ExtentKind.Data, run, host),
                ClusterState.Zero => new(ExtentKind.Zero, run, host),
                ClusterState.Unallocated => new(ExtentKind.Unallocated, run, host),
                ClusterState.Compressed => new(ExtentKind.Compressed, run),
                _ => throw BadEntry(offset),
            };
        }
    }

    /// <inheritdoc/>
    internal override FastMapping TryMap(long offset, long length, bool isWrite)
    {
        lock (_gate)
        {
            if (isWrite && IsReadOnly)
            {
                return default;
            }

            int l1Index = L1IndexOf(offset);
            if (_tables[l1Index] is not { } table)
            {
                bool isNothing = _l1[l1Index] == 0 && Backing is null && !isWrite;
                long inTable = _header.BytesPerL2 - (offset & (_header.BytesPerL2 - 1));
                return isNothing ? new(FastKind.Zero, Math.Min(length, inTable)) : default;
            }

            table.IsUsed = true;
            (ClusterState state, long host, long run) = Run(table, offset, length, isWrite);
            if (state == ClusterState.Data)
            {
                if (isWrite && (table.Words[EntryOf(offset)] & Copied) == 0)
                {
                    return default;
                }

                _accesses[_epoch]++;
                return new(FastKind.File, run, host, _epoch);
            }

            bool isZero = state == ClusterState.Zero || (state == ClusterState.Unallocated && Backing is null);
            return isZero && !isWrite ? new(FastKind.Zero, run) : default;
        }
    }

    /// <inheritdoc/>
    internal override int BeginAccess()
    {
        lock (_gate)
        {
            _accesses[_epoch]++;
            return _epoch;
        }
    }

    /// <inheritdoc/>
    internal override void EndAccess(int token)
    {
        lock (_gate)
        {
            _accesses[token]--;
        }
    }

    private protected override void ReadData(long fileOffset, Span<byte> destination) =>
        _file.Read(fileOffset, destination);

    private ImageException BadEntry(long offset) =>
        new(
            $"'{Path}': the L2 entry for byte {offset} of the disk names a place where no data can be; run 'vireo image check'"
        );

    private int L1IndexOf(long offset) => (int)(offset >> (_clusterBits + _l2Bits));

    /// <summary>The first word of the entry for a byte of the disk, within its table.</summary>
    private int EntryOf(long offset) => (int)((offset >> _clusterBits) & ((1 << _l2Bits) - 1)) * _entryWords;

    /// <summary>What an entry says of a part of its cluster, and where in the file that part would be; -1 for nowhere.</summary>
    private (ClusterState State, long Host) Part(L2Table table, int entry, int part)
    {
        ulong word = table.Words[entry];
        if ((word & CompressedFlag) != 0)
        {
            return (ClusterState.Compressed, -1);
        }

        if (table.BadEntries is { } bad && bad.Contains(entry))
        {
            return (ClusterState.Bad, -1);
        }

        long cluster = (long)(word & OffsetMask);
        long host = cluster == 0 ? -1 : cluster + ((long)part << _partBits);
        if (_entryWords == 1)
        {
            ClusterState without = cluster == 0 ? ClusterState.Unallocated : ClusterState.Data;
            bool isZero = _header.Version >= 3 && (word & ZeroFlag) != 0;
            return (isZero ? ClusterState.Zero : without, host);
        }

        ulong bits = table.Words[entry + 1] >> part;
        if ((bits & 1) != 0)
        {
            return (cluster == 0 ? ClusterState.Bad : ClusterState.Data, host);
        }

        return ((bits & 1UL << 32) != 0 ? ClusterState.Zero : ClusterState.Unallocated, host);
    }

    /// <summary>How far what is true of a byte holds: the same state and neighbours in the file.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="offset">The byte.</param>
    /// <param name="length">How far to look.</param>
    /// <param name="isWrite">Whether all of it has to be in clusters that nobody else uses, or none.</param>
    private (ClusterState State, long Host, long Length) Run(
        L2Table table,
        long offset,
        long length,
        bool isWrite = false
    )
    {
        int entry = EntryOf(offset);
        int part = (int)((offset & (_clusterBytes - 1)) >> _partBits);
        (ClusterState state, long host) = Part(table, entry, part);
        ulong copied = table.Words[entry] & Copied;
        long inPart = offset & ((1L << _partBits) - 1);
        long run = (1L << _partBits) - inPart;
        long expected = host < 0 ? -1 : host + (1L << _partBits);
        while (run < length)
        {
            part++;
            if (part == _partsPerCluster)
            {
                (part, entry) = (0, entry + _entryWords);
                if (entry == table.Words.Length || (isWrite && (table.Words[entry] & Copied) != copied))
                {
                    break;
                }
            }

            (ClusterState nextState, long nextHost) = Part(table, entry, part);
            if (nextState != state || (state != ClusterState.Compressed && nextHost != expected))
            {
                break;
            }

            run += 1L << _partBits;
            expected = nextHost < 0 ? -1 : nextHost + (1L << _partBits);
        }

        return (state, host < 0 ? -1 : host + inPart, Math.Min(run, length));
    }

    /// <summary>A table, read from the file if it is not in memory; null when there is none. Under the slow lock.</summary>
    private L2Table? Table(int l1Index)
    {
        if (_tables[l1Index] is { } present)
        {
            present.IsUsed = true;
            return present;
        }

        long offset = (long)(_l1[l1Index] & OffsetMask);
        if (offset == 0)
        {
            return null;
        }

        if ((offset & (_clusterBytes - 1)) != 0)
        {
            throw new ImageException(
                $"'{Path}': L1 entry {l1Index} names {offset}, which is not the beginning of a cluster"
            );
        }

        if (_file.IsRegular && offset + _clusterBytes > _file.LengthBytes)
        {
            // Taken for zeroes, it would show a disk from which everything is gone.
            throw new ImageException(
                $"'{Path}' ends at byte {_file.LengthBytes}, before the end of the L2 table at {offset}: it was cut, or never written as a whole"
            );
        }

        MakeRoomForTable();
        byte[] bytes = new byte[_clusterBytes];
        _file.Read(offset, bytes);
        ulong[] words = new ulong[_clusterBytes / 8];
        BinaryPrimitives.ReverseEndianness(Wire.Reinterpret<byte, ulong>((ReadOnlySpan<byte>)bytes), words);
        L2Table table = new(l1Index, words) { HostOffset = offset };
        FindBadEntries(table);
        return Keep(table);
    }

    private L2Table Keep(L2Table table)
    {
        lock (_gate)
        {
            _tables[table.L1Index] = table;
        }

        _inMemory.Enqueue(table.L1Index);
        return table;
    }

    /// <summary>A guest's data must never be read from, or written over, the image's own structures.</summary>
    private void FindBadEntries(L2Table table)
    {
        for (int entry = 0; entry < table.Words.Length; entry += _entryWords)
        {
            ulong word = table.Words[entry];
            if ((word & CompressedFlag) != 0)
            {
                continue;
            }

            long offset = (long)(word & OffsetMask);
            bool isBad =
                (offset & (_clusterBytes - 1)) != 0
                || (offset != 0 && _refcounts.Metadata.Contains(offset >> _clusterBits));
            bool isTwice = _entryWords == 2 && (table.Words[entry + 1] & uint.MaxValue) != 0 && offset == 0;
            bool isBoth = _entryWords == 2 && ((table.Words[entry + 1] >> 32) & table.Words[entry + 1]) != 0;
            if (isBad || isTwice || isBoth)
            {
                (table.BadEntries ??= []).Add(entry);
            }
        }
    }

    /// <summary>Forgets a table that has not been used for a while, when there are too many.</summary>
    private void MakeRoomForTable()
    {
        int most = Math.Max(8, L2MemoryMax >> _clusterBits);
        int looked = 0;
        while (_inMemory.Count >= most)
        {
            L2Table table = _tables[_inMemory.Dequeue()]!;
            if (table.IsUsed && looked < most)
            {
                looked++;
                table.IsUsed = false;
                _inMemory.Enqueue(table.L1Index);
                continue;
            }

            if (table.IsDirty)
            {
                WriteEverything();
            }

            lock (_gate)
            {
                _tables[table.L1Index] = null;
            }
        }
    }
}
