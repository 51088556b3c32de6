using System.Buffers.Binary;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>Counts every use of every cluster and compares that with what the image says.</summary>
internal sealed class Qcow2Checker
{
    private const ulong Copied = 1UL << 63;
    private const ulong CompressedFlag = 1UL << 62;
    private const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;
    private const int MessagesMax = 100;

    /// <summary>More clusters than this cannot be counted in memory: 16 TiB with clusters of 64 KiB.</summary>
    private const long ClustersMax = 1L << 28;

    private readonly ImageFile _file;
    private readonly Qcow2Header _header;
    private readonly Qcow2Refcounts _refcounts;
    private readonly ClusterCounts _counts;
    private readonly List<string> _messages = [];
    private Qcow2Repair _repair;
    private readonly int _clusterBits;
    private readonly int _entryWords;

    private long _allocated;
    private long _fragmented;
    private long _compressed;
    private long _leaks;
    private long _corruptions;
    private long _leaksFixed;
    private long _corruptionsFixed;

    /// <summary>Where the next cluster of the disk would be if it followed the one before; 0 at the beginning.</summary>
    private long _nextContiguous;

    private Qcow2Checker(ImageFile file, Qcow2Header header, Qcow2Repair repair)
    {
        _file = file;
        _header = header;
        _repair = repair;
        _clusterBits = header.ClusterBits;
        _entryWords = header.HasExtendedL2 ? 2 : 1;
        long clusters = (file.LengthBytes + header.ClusterBytes - 1) >> _clusterBits;
        _counts =
            clusters <= ClustersMax
                ? new(clusters)
                : throw new ImageException(
                    $"'{file.Path}' has {clusters} clusters; at most {ClustersMax} can be checked"
                );
        _refcounts = new(file, header, [0]) { Reserved = IsUsed };
    }

    /// <summary>Checks an image that nobody else uses.</summary>
    /// <param name="file">The file, open for writing if anything is to be repaired; stays the caller's.</param>
    /// <param name="header">Its header.</param>
    /// <param name="snapshots">Its snapshots.</param>
    /// <param name="repair">What to repair.</param>
    public static Qcow2CheckResult Check(
        ImageFile file,
        Qcow2Header header,
        IReadOnlyList<Qcow2Snapshot> snapshots,
        Qcow2Repair repair
    )
    {
        Qcow2Checker checker = new(file, header, repair);
        return checker.Run(snapshots);
    }

    /// <summary>Repairs an image that was not closed.</summary>
    public static void Repair(ImageFile file, Qcow2Header header)
    {
        Qcow2CheckResult result = Check(file, header, Qcow2Image.ReadSnapshots(file, header), Qcow2Repair.All);
        if (result.Corruptions > result.CorruptionsFixed)
        {
            throw new ImageException(
                $"'{file.Path}' was not closed and cannot be repaired: {(result.Messages.Count > 0 ? result.Messages[0] : "it is broken")}"
            );
        }
    }

    private bool IsUsed(long cluster) => _counts[cluster] > 0;

    private Qcow2CheckResult Run(IReadOnlyList<Qcow2Snapshot> snapshots)
    {
        _counts.Add(0);
        (long table, int clusters) = _refcounts.Place;
        AddRange(table, (long)clusters << _clusterBits);
        WalkL1(_header.L1Offset, _header.L1Entries, isActive: true);
        long snapshotBytes = Qcow2Image.SnapshotTableBytes(_file, _header);
        AddRange(_header.SnapshotsOffset, snapshotBytes);
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            WalkL1(snapshot.L1Offset, snapshot.L1Entries, isActive: false);
        }

        CheckBlocks();
        long end = CompareCounts();
        CheckCopied(end);
        if (_repair == Qcow2Repair.All && _corruptions == _corruptionsFixed)
        {
            ClearMarks();
        }

        return new()
        {
            ImageEndOffset = end << _clusterBits,
            TotalClusters = (_header.LengthBytes + _header.ClusterBytes - 1) >> _clusterBits,
            AllocatedClusters = _allocated,
            FragmentedClusters = _fragmented,
            CompressedClusters = _compressed,
            Leaks = _leaks,
            Corruptions = _corruptions,
            LeaksFixed = _leaksFixed,
            CorruptionsFixed = _corruptionsFixed,
            Messages = _messages,
        };
    }

    private void Say(string message)
    {
        if (_messages.Count < MessagesMax)
        {
            _messages.Add(message);
        }
    }

    private void SayCorrupt(string message)
    {
        _corruptions++;
        Say(message);
    }

    private bool IsMisaligned(long offset) => (offset & (_header.ClusterBytes - 1)) != 0;

    private void AddRange(long offset, long length)
    {
        for (long cluster = offset >> _clusterBits; length > 0 && cluster << _clusterBits < offset + length; cluster++)
        {
            _counts.Add(cluster);
        }
    }

    private void WalkL1(long offset, int entries, bool isActive)
    {
        AddRange(offset, entries * 8L);
        byte[] bytes = new byte[entries * 8L];
        _file.Read(offset, bytes);
        for (int index = 0; index < entries; index++)
        {
            long table = (long)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(index * 8)) & OffsetMask);
            if (table == 0)
            {
                continue;
            }

            if (IsMisaligned(table))
            {
                SayCorrupt($"L1 entry {index} names {table}, which is not the beginning of a cluster");
                continue;
            }

            _counts.Add(table >> _clusterBits);
            WalkL2(table, isActive);
        }
    }

    private void WalkL2(long offset, bool isActive)
    {
        _nextContiguous = 0;
        byte[] bytes = new byte[_header.ClusterBytes];
        _file.Read(offset, bytes);
        for (int at = 0; at < bytes.Length; at += 8 * _entryWords)
        {
            ulong word = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(at));
            long host = (long)(word & OffsetMask);
            if ((word & CompressedFlag) != 0)
            {
                AddCompressed(word, isActive);
            }
            else if (IsMisaligned(host))
            {
                SayCorrupt($"the L2 table at {offset} names {host}, which is not the beginning of a cluster");
            }
            else if (host != 0)
            {
                _counts.Add(host >> _clusterBits);
                Note(host, isActive);
            }
        }
    }

    private void AddCompressed(ulong word, bool isActive)
    {
        int shift = 62 - (_clusterBits - 8);
        long host = (long)(word & ((1UL << shift) - 1));
        long sectors = (long)((word & ~(Copied | CompressedFlag)) >> shift) + 1;
        AddRange(host, (sectors << 9) - (host & 511));
        if (isActive)
        {
            _allocated++;
            _compressed++;

            // Compressed clusters are fragmented by nature.
            _fragmented++;
        }
    }

    private void Note(long host, bool isActive)
    {
        if (!isActive)
        {
            return;
        }

        _allocated++;
        if (_nextContiguous != 0 && host != _nextContiguous)
        {
            _fragmented++;
        }

        _nextContiguous = host + _header.ClusterBytes;
    }

    /// <summary>Counts the blocks of counts themselves; one that cannot be is taken out when that is to be repaired.</summary>
    private void CheckBlocks()
    {
        for (int index = 0; index < _refcounts.Table.Length; index++)
        {
            long offset = _refcounts.Table[index];
            if (offset == 0)
            {
                continue;
            }

            if (!IsMisaligned(offset) && offset >> _clusterBits < _counts.InFile)
            {
                _counts.Add(offset >> _clusterBits);
                if (_counts[offset >> _clusterBits] == 1)
                {
                    continue;
                }

                _counts.Remove(offset >> _clusterBits);
            }

            SayCorrupt($"reference count block {index} at {offset} is not at the beginning of a cluster of its own");
            _refcounts.DropBlock(index);
            if (_repair == Qcow2Repair.All)
            {
                _corruptionsFixed++;
            }
            else
            {
                // What it counts is not known, so nothing can be set right by itself.
                _repair = Qcow2Repair.None;
            }
        }
    }

    /// <summary>Compares all counts.</summary>
    /// <returns>Behind the last cluster that counts as used.</returns>
    private long CompareCounts()
    {
        long covered = _refcounts.Table.Length * _refcounts.ClustersPerBlock;
        long end = 0;
        for (long cluster = 0; cluster < Math.Max(_counts.InFile, covered); cluster++)
        {
            bool isCounted = cluster < covered && _refcounts.Table[(int)(cluster / _refcounts.ClustersPerBlock)] != 0;
            if (!isCounted && cluster >= _counts.InFile)
            {
                // Nothing of this block is counted, or in the file.
                cluster |= _refcounts.ClustersPerBlock - 1;
                continue;
            }

            end = Compare(cluster, _counts[cluster]) ? cluster + 1 : end;
        }

        foreach ((long cluster, uint count) in _counts.Behind)
        {
            if (count > 0 && !_refcounts.HasBlock(cluster))
            {
                end = Compare(cluster, count) ? Math.Max(end, cluster + 1) : end;
            }
        }

        if (_leaksFixed + _corruptionsFixed > 0)
        {
            // Twice: a table of counts that has moved leaves its old place to be counted.
            _refcounts.Write();
            _refcounts.Write();
            _file.Sync();
        }

        return end;
    }

    /// <summary>Compares a count with what it should be.</summary>
    /// <returns>Whether the cluster counts as used.</returns>
    private bool Compare(long cluster, uint expected)
    {
        ulong found = _refcounts.Get(cluster);
        if (found == expected)
        {
            return expected > 0;
        }

        bool isLeak = found > expected;
        if (isLeak)
        {
            _leaks++;
            Say($"cluster {cluster} counts as used {found} times and is used {expected} times");
        }
        else
        {
            SayCorrupt($"cluster {cluster} is used {expected} times and counts as used {found} times");
        }

        bool isRepaired =
            expected <= _refcounts.CountMax && (isLeak ? _repair != Qcow2Repair.None : _repair == Qcow2Repair.All);
        if (!isRepaired)
        {
            return found > 0;
        }

        _refcounts.Set(cluster, expected);
        _leaksFixed += isLeak ? 1 : 0;
        _corruptionsFixed += isLeak ? 0 : 1;
        return expected > 0;
    }

    /// <summary>An entry of the present state says that its cluster is its own exactly when nobody else uses it.</summary>
    private void CheckCopied(long end)
    {
        if (end == 0)
        {
            return;
        }

        byte[] l1 = new byte[_header.L1Entries * 8L];
        _file.Read(_header.L1Offset, l1);
        for (int index = 0; index < _header.L1Entries; index++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64BigEndian(l1.AsSpan(index * 8));
            long table = (long)(entry & OffsetMask);
            if (table == 0 || IsMisaligned(table))
            {
                continue;
            }

            CheckCopied(_header.L1Offset + index * 8L, entry, $"L1 entry {index}");
            byte[] l2 = new byte[_header.ClusterBytes];
            _file.Read(table, l2);
            for (int at = 0; at < l2.Length; at += 8 * _entryWords)
            {
                ulong word = BinaryPrimitives.ReadUInt64BigEndian(l2.AsSpan(at));
                long host = (long)(word & OffsetMask);
                if ((word & CompressedFlag) == 0 && host != 0 && !IsMisaligned(host))
                {
                    CheckCopied(table + at, word, $"the L2 entry at {table + at}");
                }
            }
        }
    }

    private void CheckCopied(long place, ulong entry, string name)
    {
        ulong count = _refcounts.Get((long)(entry & OffsetMask) >> _clusterBits);
        if ((count == 1) == ((entry & Copied) != 0))
        {
            return;
        }

        SayCorrupt(
            $"{name} names a cluster that is used {count} times and says that it is {((entry & Copied) != 0 ? "" : "not ")}its own"
        );
        if (_repair == Qcow2Repair.All)
        {
            byte[] bytes = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(bytes, entry ^ Copied);
            _file.Write(place, bytes);
            _corruptionsFixed++;
        }
    }

    private void ClearMarks()
    {
        const Qcow2Incompatible Marks = Qcow2Incompatible.Dirty | Qcow2Incompatible.Corrupt;
        _file.Sync();
        if ((_header.Incompatible & Marks) != Qcow2Incompatible.None)
        {
            byte[] bytes = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(bytes, (ulong)(_header.Incompatible & ~Marks));
            _file.Write(Qcow2Header.IncompatibleField, bytes);
            _file.Sync();
        }
    }
}
