using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <content>Writing, with allocation and copying on write.</content>
public sealed partial class Qcow2Image
{
    /// <summary>Most bytes of clusters that one step allocates, unless a single cluster is larger.</summary>
    private const int StepBytesMax = 4 << 20;

    /// <summary>Clusters of the disk that are being allocated: first, and behind the last. Under the slow lock.</summary>
    private readonly List<(long First, long End)> _allocating = [];

    /// <summary>Behind everything that was ever written to the file: what lies there reads as zeroes. Under the slow lock.</summary>
    private long _fileEnd;

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        ThrowIfNotWritable(offset, source.Length);
        while (!source.IsEmpty)
        {
            int done = WriteStep(offset, source);
            offset += done;
            source = source[done..];
        }
    }

    private void ThrowIfNotWritable(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > LengthBytes - length)
        {
            throw new ImageException(
                $"'{Path}': {length} bytes from {offset} on do not lie on a disk of {LengthBytes} bytes"
            );
        }

        if (IsReadOnly)
        {
            throw new ImageException($"'{Path}' is open for reading only");
        }
    }

    /// <summary>Writes the first bytes.</summary>
    /// <returns>How many.</returns>
    private int WriteStep(long offset, ReadOnlySpan<byte> source)
    {
        Allocation allocation;
        lock (_slow)
        {
            PrepareToWrite();
            WaitForAllocations(offset >> _clusterBits, (offset + source.Length - 1) >> _clusterBits);
            L2Table table = WritableTable(L1IndexOf(offset));
            (ClusterState state, long host, long run) = Run(table, offset, source.Length, isWrite: true);
            if (state == ClusterState.Bad)
            {
                throw BadEntry(offset);
            }

            bool isInPlace = state == ClusterState.Data && (table.Words[EntryOf(offset)] & Copied) != 0;
            allocation = isInPlace
                ? new(host, (int)run, offset, offset + run, IsInPlace: true, IsFresh: false, BeginAccess())
                : BeginAllocation(table, offset, source.Length, (int)run);
        }

        if (!allocation.IsInPlace)
        {
            Fill(in allocation, offset, source[..allocation.LengthBytes]);
            return allocation.LengthBytes;
        }

        try
        {
            _file.Write(allocation.Host, source[..allocation.LengthBytes]);
        }
        finally
        {
            EndAccess(allocation.Token);
        }

        return allocation.LengthBytes;
    }

    /// <summary>Finds room for the clusters of a range, as far as they lie beside each other.</summary>
    private Allocation BeginAllocation(L2Table table, long offset, int length, int run)
    {
        int entry = EntryOf(offset);
        long first = offset >> _clusterBits;
        int inside = (int)(offset & (_clusterBytes - 1));
        ulong word = table.Words[entry];
        if ((word & (Copied | CompressedFlag)) == Copied && (word & OffsetMask) != 0)
        {
            // It has room of its own that holds nothing of value, as far as the state is the same: parts that hold data are left alone.
            _allocating.Add((first, first + 1));
            length = Math.Min(run, _clusterBytes - inside);
            (long from, long to) = Surroundings(table, offset, length);
            return new((long)(word & OffsetMask), length, from, to, IsInPlace: false, IsFresh: false, 0);
        }

        int wanted = Math.Min(
            (inside + length + _clusterBytes - 1) >> _clusterBits,
            Math.Max(1, StepBytesMax >> _clusterBits)
        );
        int count = 1;
        while (count < wanted && NeedsRoom(table, entry + count * _entryWords))
        {
            count++;
        }

        long cluster = _refcounts.TakeUpTo(count, out count);
        long host = cluster << _clusterBits;
        bool isFresh = host >= _fileEnd;
        _fileEnd = Math.Max(_fileEnd, host + ((long)count << _clusterBits));
        _allocating.Add((first, first + count));
        length = (int)Math.Min(length, ((long)count << _clusterBits) - inside);
        (long start, long end) = Surroundings(table, offset, length);
        return new(host, length, start, end, IsInPlace: false, isFresh, 0);
    }

    private static bool NeedsRoom(L2Table table, int entry)
    {
        if (entry >= table.Words.Length || (table.BadEntries is { } bad && bad.Contains(entry)))
        {
            return false;
        }

        ulong word = table.Words[entry];
        return (word & (Copied | CompressedFlag)) != Copied || (word & OffsetMask) == 0;
    }

    /// <summary>Writes data and what has to be copied around them, then lets the table name the place.</summary>
    private void Fill(in Allocation allocation, long offset, ReadOnlySpan<byte> source)
    {
        long first = offset >> _clusterBits;
        int clusters = (int)(((offset + source.Length - 1) >> _clusterBits) - first) + 1;
        bool isLinked = false;
        try
        {
            WriteAround(in allocation, offset, source);
            lock (_slow)
            {
                L2Table table = WritableTable(L1IndexOf(offset));
                isLinked = true;
                for (int index = 0; index < clusters; index++)
                {
                    Link(table, in allocation, first, index);
                }
            }
        }
        finally
        {
            lock (_slow)
            {
                (long First, long End) mine = _allocating.Find(one => one.First == first);
                _allocating.Remove(mine);
                Monitor.PulseAll(_slow);
                if (!isLinked)
                {
                    GiveBack(in allocation, mine);
                }
            }
        }
    }

    /// <summary>The data could not be written: nobody has learnt of their place.</summary>
    private void GiveBack(in Allocation allocation, (long First, long End) mine)
    {
        L2Table? table = _tables[L1IndexOf(mine.First << _clusterBits)];
        bool isOld =
            table is not null
            && (long)(table.Words[EntryOf(mine.First << _clusterBits)] & OffsetMask) == allocation.Host;
        for (long index = 0; !isOld && index < mine.End - mine.First; index++)
        {
            _refcounts.Release((allocation.Host >> _clusterBits) + index);
        }
    }

    private void WriteAround(in Allocation allocation, long offset, ReadOnlySpan<byte> source)
    {
        (long start, long end) = (allocation.Start, allocation.End);
        long hostStart = allocation.Host + (start - (offset & ~(_clusterBytes - 1L)));
        int head = (int)(offset - start);
        int tail = (int)(end - offset - source.Length);
        if (head == 0 && tail == 0)
        {
            _file.Write(hostStart, source);
            return;
        }

        byte[] buffer = new byte[head + source.Length + tail];
        Read(start, buffer.AsSpan(0, head));
        source.CopyTo(buffer.AsSpan(head));
        Read(offset + source.Length, buffer.AsSpan(head + source.Length));
        bool isBlank =
            allocation.IsFresh
            && !buffer.AsSpan(0, head).ContainsAnyExcept((byte)0)
            && !buffer.AsSpan(head + source.Length).ContainsAnyExcept((byte)0);
        if (isBlank)
        {
            // Nobody was ever there: what we do not write reads as zeroes.
            _file.Write(hostStart + head, source);
        }
        else
        {
            _file.Write(hostStart, buffer);
        }
    }

    /// <summary>The range that has to be written so that all parts it touches are whole.</summary>
    private (long Start, long End) Surroundings(L2Table table, long offset, int length)
    {
        // An old cluster that is not ours alone, or compressed, is left as a whole.
        bool hasOld = MustMove(table, EntryOf(offset)) || MustMove(table, EntryOf(offset + length - 1));
        long unit = hasOld ? _clusterBytes : 1L << _partBits;
        return (offset & ~(unit - 1), (offset + length + unit - 1) & ~(unit - 1));
    }

    private static bool MustMove(L2Table table, int entry)
    {
        ulong word = table.Words[entry];
        return (word & CompressedFlag) != 0 || ((word & OffsetMask) != 0 && (word & Copied) == 0);
    }

    /// <summary>Lets an entry name a place that now holds the data of a step.</summary>
    private void Link(L2Table table, in Allocation allocation, long first, int index)
    {
        long start = (first + index) << _clusterBits;
        long host = allocation.Host + ((long)index << _clusterBits);
        int entry = EntryOf(start);
        ulong old = table.Words[entry];
        ulong bits = 0;
        if (_entryWords == 2)
        {
            ulong parts = PartsOf(
                Math.Max(allocation.Start - start, 0),
                Math.Min(allocation.End - start, _clusterBytes)
            );
            bits = MustMove(table, entry) ? uint.MaxValue : ((table.Words[entry + 1] | parts) & ~(parts << 32));
        }

        SetEntry(table, entry, (ulong)host | Copied, bits);
        if ((long)(old & OffsetMask) != host || (old & CompressedFlag) != 0)
        {
            ReleaseOld(old);
        }
    }

    /// <summary>The bits of the parts between two places in a cluster.</summary>
    private ulong PartsOf(long from, long to)
    {
        int first = (int)(from >> _partBits);
        int end = (int)((to + (1L << _partBits) - 1) >> _partBits);
        return ((1UL << end) - 1) & ~((1UL << first) - 1);
    }

    private void WaitForAllocations(long first, long last)
    {
        while (IsAllocating(first, last))
        {
            Monitor.Wait(_slow);
        }
    }

    private bool IsAllocating(long first, long last)
    {
        foreach ((long from, long end) in _allocating)
        {
            if (from <= last && first < end)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A table that may be changed: in memory, named by the L1 table, nobody else's. Under the slow lock.</summary>
    private L2Table WritableTable(int l1Index)
    {
        L2Table? table = Table(l1Index);
        if (table is not null && (_l1[l1Index] & Copied) != 0)
        {
            return table;
        }

        if (table is null)
        {
            MakeRoomForTable();
        }

        long cluster = _refcounts.TakeRun(1);
        _refcounts.Metadata.Add(cluster);
        _fileEnd = Math.Max(_fileEnd, (cluster + 1) << _clusterBits);
        long old = (long)(_l1[l1Index] & OffsetMask);
        table ??= Keep(new(l1Index, new ulong[_clusterBytes / 8]));
        table.HostOffset = cluster << _clusterBits;
        MarkDirty(table, 0, table.Words.Length);
        _l1[l1Index] = (ulong)table.HostOffset | Copied;
        (_l1DirtyFirst, _l1DirtyEnd) = (Math.Min(_l1DirtyFirst, l1Index), Math.Max(_l1DirtyEnd, l1Index + 1));
        if (old != 0)
        {
            Release(old, _clusterBytes);
        }

        return table;
    }

    private void SetEntry(L2Table table, int entry, ulong word, ulong bits)
    {
        lock (_gate)
        {
            table.Words[entry] = word;
            if (_entryWords == 2)
            {
                table.Words[entry + 1] = bits;
            }
        }

        MarkDirty(table, entry, _entryWords);
    }

    private void MarkDirty(L2Table table, int first, int count)
    {
        if (!table.IsDirty)
        {
            _dirtyTables.Add(table);
        }

        table.MarkDirty(first, count);
        _hasUnwritten = true;
    }
}
