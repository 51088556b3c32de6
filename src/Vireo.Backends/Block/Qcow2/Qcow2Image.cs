using System.Buffers.Binary;
using System.Numerics;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>A qcow2 image, versions 2 and 3 (QEMU docs/interop/qcow2).</summary>
/// <remarks>
/// <para>
/// Two locks. The slow one is held by workers while they look for room, read tables and write them: whoever holds it may wait for
/// the file. The fast one guards the entries of the L2 tables in memory, is never held across a call of the system, and is all that a
/// loop takes. Who changes an entry holds both, so who holds either may read it.
/// </para>
/// <para>
/// The order in which things get into the file makes it whole at any moment: counts of clusters that are used from now on, and data;
/// then L2 tables; then the L1 table. A cluster that is used no more is given away only when no table in the file names it and every
/// access that may have found it before has ended. What a sudden end leaves is clusters that count as used and are not.
/// </para>
/// </remarks>
public sealed partial class Qcow2Image : DiskImage
{
    /// <summary>Marks an entry whose cluster nobody else uses.</summary>
    private const ulong Copied = 1UL << 63;

    private const ulong CompressedFlag = 1UL << 62;
    private const ulong ZeroFlag = 1;
    private const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;

    /// <summary>Memory for L2 tables: that of QEMU, enough for 256 GiB with clusters of 64 KiB.</summary>
    private const int L2MemoryMax = 32 << 20;

    private readonly ImageFile _file;
    private readonly Qcow2Header _header;
    private readonly Qcow2Refcounts _refcounts;
    private readonly Qcow2Snapshot[] _snapshots;
    private readonly object _slow = new();
    private readonly Lock _gate = new();
    private readonly ulong[] _l1;
    private readonly L2Table?[] _tables;

    /// <summary>The tables in memory, by their place in the L1 table; the next to be looked at first.</summary>
    private readonly Queue<int> _inMemory = new();

    private readonly int _clusterBits;
    private readonly int _clusterBytes;

    /// <summary>An L2 table has 2 to the power of this entries, of so many words each.</summary>
    private readonly int _l2Bits;
    private readonly int _entryWords;

    /// <summary>The part of a cluster that is allocated by itself has 2 to the power of this bytes.</summary>
    private readonly int _partBits;
    private readonly int _partsPerCluster;

    /// <summary>Entries of the L1 table that are not in the file yet: first, and behind the last.</summary>
    private int _l1DirtyFirst = int.MaxValue;
    private int _l1DirtyEnd;

    /// <summary>Tables that are not in the file as they are in memory.</summary>
    private readonly List<L2Table> _dirtyTables = [];

    /// <summary>Whether tables in memory are needed to find what was written.</summary>
    private volatile bool _hasUnwritten;

    /// <summary>Whether a flush has failed: nobody knows what is in the file.</summary>
    private volatile bool _hasLostWrites;

    /// <summary>Whether the header says what it has to say while the image is written.</summary>
    private bool _isMarkedInUse;

    private bool _isDisposed;

    private Qcow2Image(ImageFile file, Qcow2Header header, Qcow2Snapshot? shown)
        : base(file.Path, file.IsReadOnly || shown is not null)
    {
        _file = file;
        _header = header;
        _clusterBits = header.ClusterBits;
        _clusterBytes = header.ClusterBytes;
        _entryWords = header.HasExtendedL2 ? 2 : 1;
        _l2Bits = _clusterBits - 3 - (_entryWords - 1);
        _partsPerCluster = header.HasExtendedL2 ? 32 : 1;
        _partBits = _clusterBits - BitOperations.Log2((uint)_partsPerCluster);
        _fileEnd = file.IsRegular ? file.LengthBytes : long.MaxValue;
        HashSet<long> metadata = [0];
        _snapshots = ReadSnapshots(file, header);
        Shown = shown is null ? null : FindSnapshot(shown.Id);
        LengthBytes = Shown?.LengthBytes ?? header.LengthBytes;
        _l1 = ReadL1(Shown?.L1Offset ?? header.L1Offset, Shown?.L1Entries ?? header.L1Entries);
        _tables = new L2Table?[_l1.Length];
        _refcounts = new(file, header, metadata);
        ClaimMetadata(metadata);
    }

    /// <inheritdoc/>
    public override ImageFormat Format => ImageFormat.Qcow2;

    /// <inheritdoc/>
    public override long LengthBytes { get; }

    /// <inheritdoc/>
    public override int ClusterBytes => _clusterBytes;

    /// <summary>The states of the disk that the image keeps beside the present one.</summary>
    public IReadOnlyList<Qcow2Snapshot> Snapshots => _snapshots;

    /// <summary>The one that is shown; null for the present state.</summary>
    public Qcow2Snapshot? Shown { get; }

    /// <summary>Version of the format, 2 or 3.</summary>
    public int Version => _header.Version;

    /// <summary>How compressed clusters are compressed.</summary>
    public Qcow2Compression Compression => _header.Compression;

    /// <summary>Bits of a reference count.</summary>
    public int RefcountBits => 1 << _header.RefcountOrder;

    /// <summary>Whether reference counts may be written late.</summary>
    public bool HasLazyRefcounts => _header.HasLazyRefcounts;

    /// <summary>Whether clusters have 32 parts that are allocated one by one.</summary>
    public bool HasExtendedL2 => _header.HasExtendedL2;

    /// <summary>Whether the image was not closed by who last wrote it, so that reference counts may be wrong.</summary>
    public bool WasDirty => (_header.Incompatible & Qcow2Incompatible.Dirty) != Qcow2Incompatible.None;

    /// <summary>Whether somebody has found the image to be broken.</summary>
    public bool IsCorrupt => (_header.Incompatible & Qcow2Incompatible.Corrupt) != Qcow2Incompatible.None;

    /// <summary>Name of the backing image as it is written in the header; null for none.</summary>
    public string? BackingName => _header.BackingName;

    /// <summary>Format of the backing image as it is written in the header; null when it is not.</summary>
    public string? BackingFormat => _header.BackingFormat;

    /// <inheritdoc/>
    internal override bool HasUnwrittenMetadata => _hasUnwritten;

    /// <inheritdoc/>
    internal override bool HasLostWrites => _hasLostWrites;

    /// <summary>Whether blocks and tables in front of the L2 tables need not be in the file before them.</summary>
    private bool IsLazy => _header.HasLazyRefcounts && _header.Version == 3;

    /// <summary>Opens an image.</summary>
    /// <param name="file">The file; becomes the image's, also when this throws.</param>
    /// <param name="snapshot">Id or name of the snapshot to show, for reading only; null for the present state.</param>
    /// <exception cref="ImageException">It cannot be opened; the message says why.</exception>
    internal static Qcow2Image Open(ImageFile file, string? snapshot = null)
    {
        try
        {
            Qcow2Header header = ReadHeader(file);
            Qcow2Snapshot? shown = snapshot is null ? null : Find(ReadSnapshots(file, header), snapshot, file.Path);
            bool isWritten = !file.IsReadOnly && shown is null;
            if (isWritten && (header.Incompatible & Qcow2Incompatible.Corrupt) != Qcow2Incompatible.None)
            {
                throw new ImageException(
                    $"'{file.Path}' is marked as corrupt and can only be read; 'vireo image check -r all' repairs it"
                );
            }

            if (isWritten && (header.Incompatible & Qcow2Incompatible.Dirty) != Qcow2Incompatible.None)
            {
                Qcow2Checker.Repair(file, header);
                header = ReadHeader(file);
            }

            return new(file, header, shown);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Checks an image, and repairs what is asked for.</summary>
    /// <param name="path">The file; nobody else may write to it.</param>
    /// <param name="repair">What to repair.</param>
    /// <exception cref="ImageException">It is not even an image.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static Qcow2CheckResult Check(string path, Qcow2Repair repair)
    {
        using var file = ImageFile.Open(path, isReadOnly: repair == Qcow2Repair.None, isLocked: true);
        Qcow2Header header = ReadHeader(file);
        return Qcow2Checker.Check(file, header, ReadSnapshots(file, header), repair);
    }

    /// <summary>Reads the header of a file.</summary>
    /// <exception cref="ImageException">It cannot be.</exception>
    internal static Qcow2Header ReadHeader(ImageFile file)
    {
        byte[] bytes = new byte[1 << Qcow2Header.ClusterBitsMax];
        file.Read(0, bytes);
        uint clusterBits = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(20));
        int length = clusterBits is >= Qcow2Header.ClusterBitsMin and <= Qcow2Header.ClusterBitsMax
            ? 1 << (int)clusterBits
            : bytes.Length;
        return Qcow2Header.Parse(bytes.AsSpan(0, length), file.Path);
    }

    /// <summary>Puts the backing image behind this one.</summary>
    internal void SetBacking(DiskImage backing) => Backing = backing;

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        try
        {
            if (!IsReadOnly && !_hasLostWrites)
            {
                Close();
            }
        }
        finally
        {
            _file.Dispose();
            base.Dispose();
        }
    }

    private static Qcow2Snapshot Find(Qcow2Snapshot[] snapshots, string name, string path)
    {
        Qcow2Snapshot? found =
            Array.Find(snapshots, one => string.Equals(one.Id, name, StringComparison.Ordinal))
            ?? Array.Find(snapshots, one => string.Equals(one.Name, name, StringComparison.Ordinal));
        string names = string.Join(", ", Array.ConvertAll(snapshots, static one => $"'{one.Name}'"));
        return found
            ?? throw new ImageException(
                $"'{path}' has no snapshot '{name}'; it has {(snapshots.Length == 0 ? "none" : names)}"
            );
    }

    private Qcow2Snapshot? FindSnapshot(string id) =>
        Array.Find(_snapshots, one => string.Equals(one.Id, id, StringComparison.Ordinal));

    private ulong[] ReadL1(long offset, int entries)
    {
        long needed = _header.L1EntriesFor(LengthBytes);
        if (entries < needed)
        {
            throw new ImageException(
                $"'{Path}': an L1 table of {entries} entries; a disk of {LengthBytes} bytes needs {needed}"
            );
        }

        byte[] bytes = new byte[entries * 8L];
        _file.Read(offset, bytes);
        ulong[] l1 = new ulong[entries];
        for (int index = 0; index < entries; index++)
        {
            l1[index] = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(index * 8));
        }

        return l1;
    }

    /// <summary>Notes which clusters are the image's own; two structures in one cluster cannot be written.</summary>
    private void ClaimMetadata(HashSet<long> metadata)
    {
        if (IsReadOnly)
        {
            return;
        }

        (long table, int clusters) = _refcounts.Place;
        Claim(metadata, table, (long)clusters << _clusterBits, "refcount table");
        Claim(metadata, _header.L1Offset, _header.L1Entries * 8L, "L1 table");
        if (_header.SnapshotCount > 0)
        {
            Claim(metadata, _header.SnapshotsOffset, 1, "snapshot table");
        }

        foreach (Qcow2Snapshot snapshot in _snapshots)
        {
            Claim(metadata, snapshot.L1Offset, snapshot.L1Entries * 8L, "L1 table of a snapshot");
        }

        _refcounts.ClaimBlocks();
        foreach (ulong entry in _l1)
        {
            long offset = (long)(entry & OffsetMask);
            if (offset != 0)
            {
                Claim(metadata, offset, 1, "L2 table");
            }
        }
    }

    private void Claim(HashSet<long> metadata, long offset, long length, string name)
    {
        if ((offset & (_clusterBytes - 1)) != 0)
        {
            throw new ImageException($"'{Path}': the {name} at {offset} is not at the beginning of a cluster");
        }

        for (long cluster = offset >> _clusterBits; cluster << _clusterBits < offset + length; cluster++)
        {
            if (!metadata.Add(cluster))
            {
                throw new ImageException(
                    $"'{Path}': the {name} at {offset} overlaps another structure of the image; it can only be read"
                );
            }
        }
    }
}
