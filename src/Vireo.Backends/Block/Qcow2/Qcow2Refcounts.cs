using System.Buffers.Binary;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>How often each cluster of an image is used, and which ones are free.</summary>
/// <remarks>
/// Used under its image's slow lock. A count that has grown must be in the file before anything that refers to the cluster; one
/// that was taken back may come at any time later. So writing too early is never wrong, and what a crash leaves is unused clusters
/// that count as used.
/// </remarks>
internal sealed class Qcow2Refcounts
{
    /// <summary>Blocks in memory, unless a single one is larger: 8 MiB.</summary>
    private const int BlockMemoryMax = 8 << 20;

    /// <summary>No cluster behind this offset is handed out.</summary>
    private const long OffsetMax = 1L << 55;

    private readonly ImageFile _file;
    private readonly int _clusterBits;
    private readonly int _order;

    /// <summary>A block counts 2 to the power of this clusters.</summary>
    private readonly int _blockBits;

    private readonly ulong _countMax;

    /// <summary>Where the blocks lie; 0 for none.</summary>
    private long[] _table;

    private RefcountBlock?[] _blocks;
    private readonly Queue<int> _inMemory = new();
    private readonly List<int> _dirtyBlocks = [];

    private long _tableOffset;
    private int _tableClusters;

    /// <summary>Entries of the table that are not in the file yet: first, and behind the last.</summary>
    private int _tableDirtyFirst = int.MaxValue;
    private int _tableDirtyEnd;

    /// <summary>Whether the table lies elsewhere than the header in the file says.</summary>
    private bool _isTableMoved;

    /// <summary>Where the search for a free cluster goes on.</summary>
    private long _next = 1;

    /// <summary>Reads the table.</summary>
    /// <exception cref="ImageException">It cannot be.</exception>
    public Qcow2Refcounts(ImageFile file, Qcow2Header header, HashSet<long> metadata)
    {
        _file = file;
        Metadata = metadata;
        _clusterBits = header.ClusterBits;
        _order = header.RefcountOrder;
        _blockBits = _clusterBits + 3 - _order;
        _countMax = _order == 6 ? ulong.MaxValue : (1UL << (1 << _order)) - 1;
        _tableOffset = header.RefcountTableOffset;
        _tableClusters = header.RefcountTableClusters;
        byte[] bytes = new byte[(long)_tableClusters << _clusterBits];
        file.Read(_tableOffset, bytes);
        _table = new long[bytes.Length / 8];
        _blocks = new RefcountBlock?[_table.Length];
        for (int index = 0; index < _table.Length; index++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(index * 8));
            _table[index] = (long)(entry & 0x7FFF_FFFF_FFFF_FE00);
        }
    }

    /// <summary>Clusters that hold the image's own structures: nothing else may be there.</summary>
    public HashSet<long> Metadata { get; }

    /// <summary>Which clusters must not be handed out whatever their count says; null for no further ones.</summary>
    public Predicate<long>? Reserved { get; set; }

    /// <summary>Whether there is anything that is not in the file.</summary>
    public bool IsDirty => _dirtyBlocks.Count > 0 || IsTableDirty;

    /// <summary>Where the blocks lie, by the clusters they count; 0 for none.</summary>
    public ReadOnlySpan<long> Table => _table;

    /// <summary>Clusters that one block counts.</summary>
    public long ClustersPerBlock => 1L << _blockBits;

    /// <summary>The largest count there is room for.</summary>
    public ulong CountMax => _countMax;

    /// <summary>Where the table lies and how many clusters it has.</summary>
    public (long Offset, int Clusters) Place => (_tableOffset, _tableClusters);

    private bool IsTableDirty => _isTableMoved || _tableDirtyFirst < _tableDirtyEnd;

    /// <summary>Checks the places of the blocks and notes them as the image's own.</summary>
    /// <exception cref="ImageException">A block lies where something else does.</exception>
    public void ClaimBlocks()
    {
        foreach (long offset in _table)
        {
            if (offset == 0)
            {
                continue;
            }

            if ((offset & ((1L << _clusterBits) - 1)) != 0 || !Metadata.Add(offset >> _clusterBits))
            {
                throw new ImageException(
                    $"'{_file.Path}': a reference count block at {offset} is not at the beginning of a cluster of its own; 'vireo image check -r all' may repair it"
                );
            }
        }
    }

    /// <summary>Forgets a block that cannot be one; its clusters count as free until they are set again.</summary>
    public void DropBlock(int index)
    {
        _blocks[index] = null;
        SetEntry(index, 0);
    }

    /// <summary>How often a cluster is used.</summary>
    public ulong Get(long cluster)
    {
        long index = cluster >> _blockBits;
        return index < _table.Length && _table[index] != 0 ? Block((int)index)[Within(cluster)] : 0;
    }

    /// <summary>Sets a count; makes room for it where there is none.</summary>
    public void Set(long cluster, ulong count)
    {
        int index = EnsureBlock(cluster);
        RefcountBlock block = Block(index);
        if (!block.IsDirty)
        {
            _dirtyBlocks.Add(index);
        }

        block[Within(cluster)] = count;
    }

    /// <summary>One user more.</summary>
    /// <returns>False when there is no room for a larger count.</returns>
    public bool TryAdd(long cluster)
    {
        ulong count = Get(cluster);
        if (count == _countMax)
        {
            return false;
        }

        Set(cluster, count + 1);
        return true;
    }

    /// <summary>One user less.</summary>
    /// <returns>Whether it was the last.</returns>
    public bool Release(long cluster)
    {
        ulong count = Get(cluster);
        if (count == 0)
        {
            // A broken image: there is nothing to take back.
            return false;
        }

        Set(cluster, count - 1);
        if (count == 1)
        {
            _next = Math.Min(_next, cluster);
        }

        return count == 1;
    }

    /// <summary>Takes free clusters beside each other, with a count of one each.</summary>
    /// <param name="wanted">How many would be best, at least 1.</param>
    /// <param name="taken">How many were found.</param>
    /// <returns>The first one.</returns>
    public long TakeUpTo(int wanted, out int taken)
    {
        while (true)
        {
            long first = SkipUsed(_next);
            EnsureBlock(first);
            if (!IsFree(first))
            {
                // The block for this place was put right there.
                _next = first;
                continue;
            }

            taken = 0;
            while (taken < wanted && IsFree(first + taken) && HasBlock(first + taken))
            {
                Set(first + taken, 1);
                taken++;
            }

            _next = first + taken;
            return first;
        }
    }

    /// <summary>Takes exactly so many free clusters beside each other.</summary>
    public long TakeRun(int count)
    {
        long first = _next;
        while (true)
        {
            first = SkipUsed(first);
            int length = 0;
            while (length < count)
            {
                EnsureBlock(first + length);
                if (!IsFree(first + length))
                {
                    break;
                }

                length++;
            }

            if (length == count)
            {
                break;
            }

            first += length + 1;
        }

        for (int index = 0; index < count; index++)
        {
            Set(first + index, 1);
        }

        return first;
    }

    /// <summary>Writes everything that is not in the file: blocks before the table that names them, that before the header.</summary>
    public void Write()
    {
        foreach (int index in _dirtyBlocks)
        {
            if (_blocks[index] is { IsDirty: true } block)
            {
                WriteBlock(index, block);
            }
        }

        _dirtyBlocks.Clear();
        if (IsTableDirty)
        {
            _file.Sync();
            WriteTable();
        }
    }

    private int Within(long cluster) => (int)(cluster & (ClustersPerBlock - 1));

    private bool IsFree(long cluster) => Get(cluster) == 0 && !IsTaken(cluster);

    private bool IsTaken(long cluster) => Metadata.Contains(cluster) || (Reserved is { } reserved && reserved(cluster));

    /// <summary>Whether there is a block that counts a cluster.</summary>
    public bool HasBlock(long cluster) => cluster >> _blockBits < _table.Length && _table[cluster >> _blockBits] != 0;

    private long SkipUsed(long cluster)
    {
        while (!IsFree(cluster))
        {
            cluster++;
        }

        return cluster << _clusterBits < OffsetMax
            ? cluster
            : throw new ImageException($"'{_file.Path}' has no free cluster below byte {OffsetMax}");
    }

    private RefcountBlock Block(int index)
    {
        if (_blocks[index] is { } block)
        {
            return block;
        }

        if (_file.IsRegular && _table[index] >= _file.LengthBytes)
        {
            // Taken for zeroes, it would say that clusters are free which hold data.
            throw new ImageException(
                $"'{_file.Path}' ends at byte {_file.LengthBytes}, before the reference counts at {_table[index]}: it was cut, or never written as a whole"
            );
        }

        MakeRoom();
        byte[] bytes = new byte[1 << _clusterBits];
        _file.Read(_table[index], bytes);
        return Keep(index, new(bytes, _order));
    }

    private RefcountBlock Keep(int index, RefcountBlock block)
    {
        _blocks[index] = block;
        _inMemory.Enqueue(index);
        return block;
    }

    private void MakeRoom()
    {
        int most = Math.Max(4, BlockMemoryMax >> _clusterBits);
        while (_inMemory.Count >= most)
        {
            int index = _inMemory.Dequeue();
            if (_blocks[index] is { IsDirty: true } block)
            {
                WriteBlock(index, block);
            }

            _blocks[index] = null;
        }
    }

    private void WriteBlock(int index, RefcountBlock block)
    {
        _file.Write(_table[index], block.Bytes);
        block.IsDirty = false;
    }

    /// <summary>Sees to it that a cluster can be counted.</summary>
    private int EnsureBlock(long cluster)
    {
        long block64 = cluster >> _blockBits;
        if (block64 >= Qcow2Header.RefcountTableBytesMax / 8)
        {
            throw new ImageException(
                $"'{_file.Path}': cluster {cluster} cannot be counted; the table of counts would have more than {Qcow2Header.RefcountTableBytesMax} bytes"
            );
        }

        int index = (int)block64;
        if (index >= _table.Length)
        {
            GrowTable(index);
        }

        if (_table[index] != 0)
        {
            return index;
        }

        // The block lies among the clusters it counts, and counts itself.
        long place = (long)index << _blockBits;
        while (IsTaken(place))
        {
            place++;
        }

        if (place >> _blockBits != index)
        {
            throw new ImageException($"'{_file.Path}' has no room for the reference counts of cluster {cluster}");
        }

        MakeRoom();
        RefcountBlock block = Keep(index, new(new byte[1 << _clusterBits], _order));
        SetEntry(index, place << _clusterBits);
        Metadata.Add(place);
        _dirtyBlocks.Add(index);
        block[Within(place)] = 1;
        return index;
    }

    private void SetEntry(int index, long offset)
    {
        _table[index] = offset;
        _tableDirtyFirst = Math.Min(_tableDirtyFirst, index);
        _tableDirtyEnd = Math.Max(_tableDirtyEnd, index + 1);
    }

    /// <summary>Makes the table longer, which moves it. Its old place stays used until the image is checked.</summary>
    private void GrowTable(int index)
    {
        int most = Qcow2Header.RefcountTableBytesMax / 8;
        long entries = Math.Max(index + 1L, Math.Min(most, _table.Length + _table.Length / 2));
        int perCluster = 1 << (_clusterBits - 3);
        int clusters = (int)((entries + perCluster - 1) / perCluster);
        (long oldOffset, int oldClusters) = (_tableOffset, _tableClusters);
        Array.Resize(ref _table, clusters * perCluster);
        Array.Resize(ref _blocks, _table.Length);
        _isTableMoved = true;
        _tableClusters = clusters;
        long first = TakeRun(clusters);
        _tableOffset = first << _clusterBits;
        for (int cluster = 0; cluster < clusters; cluster++)
        {
            Metadata.Add(first + cluster);
        }

        _retired.Add((oldOffset, oldClusters));
    }

    /// <summary>Places of earlier tables, free when the header in the file does not name them any more.</summary>
    private readonly List<(long Offset, int Clusters)> _retired = [];

    private void WriteTable()
    {
        int first = _isTableMoved ? 0 : _tableDirtyFirst;
        int end = _isTableMoved ? _table.Length : _tableDirtyEnd;
        byte[] bytes = new byte[(end - first) * 8];
        for (int index = first; index < end; index++)
        {
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan((index - first) * 8), _table[index]);
        }

        _file.Write(_tableOffset + first * 8L, bytes);
        (_tableDirtyFirst, _tableDirtyEnd) = (int.MaxValue, 0);
        if (!_isTableMoved)
        {
            return;
        }

        _file.Sync();
        byte[] fields = new byte[12];
        BinaryPrimitives.WriteInt64BigEndian(fields, _tableOffset);
        BinaryPrimitives.WriteInt32BigEndian(fields.AsSpan(8), _tableClusters);
        _file.Write(Qcow2Header.RefcountTableField, fields);
        _isTableMoved = false;
        _file.Sync();
        foreach ((long offset, int clusters) in _retired)
        {
            for (int index = 0; index < clusters; index++)
            {
                long cluster = (offset >> _clusterBits) + index;
                Metadata.Remove(cluster);
                Release(cluster);
            }
        }

        _retired.Clear();
    }
}
