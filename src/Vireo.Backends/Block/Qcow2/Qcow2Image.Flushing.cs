using System.Buffers.Binary;
using Vireo.Linux;

namespace Vireo.Backends.Block.Qcow2;

/// <content>What goes into the file, in which order, and what is given away afterwards.</content>
public sealed partial class Qcow2Image
{
    /// <summary>Clusters that wait to be given away; more make the tables go to the file.</summary>
    private const int UnusedMax = 16384;

    /// <summary>Ranges of the file that tables in memory name no more, since the tables were last written.</summary>
    private List<(long Offset, int Length)> _unused = [];

    /// <summary>Ranges that no table in the file names either; accesses that began in the other epoch may still be there.</summary>
    private List<(long Offset, int Length)> _leaving = [];

    /// <inheritdoc/>
    public override void Flush()
    {
        if (IsReadOnly)
        {
            return;
        }

        lock (_slow)
        {
            if (_hasLostWrites)
            {
                throw new LinuxException(Errno.EIO, "fdatasync", Path);
            }

            WriteEverything();
        }
    }

    /// <summary>Before the first write of this opening: what other programs have to know.</summary>
    private void PrepareToWrite()
    {
        if (!_isMarkedInUse)
        {
            if (_header.Version >= 3 && _header.Autoclear != 0)
            {
                WriteHeaderField(Qcow2Header.AutoclearField, 0);
            }

            if (IsLazy)
            {
                WriteHeaderField(
                    Qcow2Header.IncompatibleField,
                    (ulong)(_header.Incompatible | Qcow2Incompatible.Dirty)
                );
                Sync();
            }

            _isMarkedInUse = true;
        }

        if (_unused.Count > UnusedMax)
        {
            WriteEverything();
        }
    }

    private void WriteHeaderField(int offset, ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        _file.Write(offset, bytes);
    }

    private void Sync()
    {
        try
        {
            _file.Sync();
        }
        catch (LinuxException)
        {
            // The kernel has forgotten which pages were not written.
            _hasLostWrites = true;
            throw;
        }
    }

    /// <summary>Brings all tables into the file, each after what it names, and makes them stable. Under the slow lock.</summary>
    private void WriteEverything()
    {
        bool isL1Dirty = _l1DirtyFirst < _l1DirtyEnd;
        if (_dirtyTables.Count > 0 || isL1Dirty)
        {
            if (!IsLazy)
            {
                _refcounts.Write();
            }

            Sync();
            foreach (L2Table table in _dirtyTables)
            {
                WriteTable(table);
            }

            _dirtyTables.Clear();
            if (isL1Dirty)
            {
                Sync();
                WriteL1();
            }
        }

        Sync();
        _hasUnwritten = false;
        GiveAway();
    }

    private void WriteTable(L2Table table)
    {
        if (!table.IsDirty)
        {
            return;
        }

        byte[] bytes = new byte[(table.DirtyEnd - table.DirtyFirst) * 8];
        for (int word = table.DirtyFirst; word < table.DirtyEnd; word++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan((word - table.DirtyFirst) * 8), table.Words[word]);
        }

        _file.Write(table.HostOffset + table.DirtyFirst * 8L, bytes);
        table.MarkClean();
    }

    private void WriteL1()
    {
        byte[] bytes = new byte[(_l1DirtyEnd - _l1DirtyFirst) * 8];
        for (int index = _l1DirtyFirst; index < _l1DirtyEnd; index++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan((index - _l1DirtyFirst) * 8), _l1[index]);
        }

        _file.Write(_header.L1Offset + _l1DirtyFirst * 8L, bytes);
        (_l1DirtyFirst, _l1DirtyEnd) = (int.MaxValue, 0);
    }

    /// <summary>What an entry named is used no more, as far as this entry goes.</summary>
    private void ReleaseOld(ulong word)
    {
        if ((word & CompressedFlag) != 0)
        {
            (long host, int length) = CompressedPlace(word);
            Release(host, length);
        }
        else if ((word & OffsetMask) != 0)
        {
            Release((long)(word & OffsetMask), _clusterBytes);
        }
    }

    private void Release(long offset, int length)
    {
        _unused.Add((offset, length));
        _hasUnwritten = true;
    }

    /// <summary>Takes back the counts of clusters that no table in the file names and no access uses.</summary>
    private void GiveAway()
    {
        bool isQuiet;
        lock (_gate)
        {
            if (_leaving.Count == 0 && _unused.Count > 0)
            {
                (_leaving, _unused) = (_unused, _leaving);
                _epoch ^= 1;
            }

            isQuiet = _accesses[_epoch ^ 1] == 0;
        }

        if (!isQuiet)
        {
            return;
        }

        foreach ((long offset, int length) in _leaving)
        {
            for (long cluster = offset >> _clusterBits; cluster << _clusterBits < offset + length; cluster++)
            {
                if (_refcounts.Release(cluster))
                {
                    _refcounts.Metadata.Remove(cluster);
                    _file.Free(cluster << _clusterBits, _clusterBytes);
                }
            }
        }

        _leaving.Clear();
    }

    /// <summary>Leaves a file that needs no repair.</summary>
    private void Close()
    {
        lock (_slow)
        {
            if (!_isMarkedInUse)
            {
                return;
            }

            WriteEverything();
            GiveAway();
            GiveAway();
            // Twice: a table of counts that has moved leaves its old place to be counted.
            _refcounts.Write();
            _refcounts.Write();
            Sync();
            if (IsLazy)
            {
                WriteHeaderField(Qcow2Header.IncompatibleField, (ulong)_header.Incompatible);
                Sync();
            }
        }
    }
}
