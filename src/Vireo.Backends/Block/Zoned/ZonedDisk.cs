using System.Numerics;
using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Filters;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Zoned;

/// <summary>A host-managed zoned disk over an ordinary one.</summary>
/// <remarks>
/// The data lie where they would without zones; the write pointers are kept beside them. What lies behind a write pointer reads as
/// zeroes whatever the disk holds there. A failed write moves its zone's pointer back unless others have been begun behind it.
/// </remarks>
public sealed class ZonedDisk : FilterDisk, IBlockZones, IDisposable
{
    private const int ZonesMax = 1 << 24;

    private readonly EventLoopGroup _loops;
    private readonly ZoneTable _table;
    private readonly ZoneStore? _store;
    private readonly WorkerPool _workers = new("blk-zones", threadsMax: 1);
    private readonly OwnedMemory _unused = new(1);
    private readonly Lock _gate = new();
    private readonly BlockTraits _traits;

    /// <summary>Divides a disk into zones.</summary>
    /// <param name="inner">The disk; stays the caller's. Its size must not change.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's.</param>
    /// <param name="options">How it is divided; null for the defaults.</param>
    /// <exception cref="DeviceException">The disk cannot be divided so, or its zones are remembered otherwise.</exception>
    /// <exception cref="Linux.LinuxException">The file that remembers the zones cannot be opened.</exception>
    public ZonedDisk(IBlockBackend inner, EventLoopGroup loops, ZonedDiskOptions? options = null)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(loops);
        options ??= new();
        _loops = loops;
        uint granularity = (uint)inner.Traits.LogicalBlockBytes / BlockDevice.SectorBytes;
        Check(inner, options, granularity);
        _table = new(options, inner.CapacitySectors, granularity);
        ZoneTraits = new()
        {
            Model = BlockZoneModel.HostManaged,
            ZoneSectors = options.ZoneSectors,
            OpenZonesMax = options.OpenZonesMax,
            ActiveZonesMax = options.ActiveZonesMax,
            AppendSectorsMax = options.AppendSectorsMax,
            WriteGranularityBytes = granularity * BlockDevice.SectorBytes,
        };
        _traits = MakeTraits(inner.Traits, options);
        if (options.StatePath is { } path)
        {
            _store = ZoneStore.Open(path, options, inner.CapacitySectors, _table.Count);
            Restore(_store);
        }
    }

    /// <inheritdoc/>
    public override BlockTraits Traits => _traits;

    /// <inheritdoc/>
    public override IBlockZones Zones => this;

    /// <inheritdoc/>
    BlockZoneTraits IBlockZones.Traits => ZoneTraits;

    /// <summary>What the zones have in common.</summary>
    public BlockZoneTraits ZoneTraits { get; }

    /// <summary>How many zones were found in a state that cannot be, and are offline since.</summary>
    public int DamagedZones { get; private set; }

    /// <summary>Where the state of zones has to be synchronized; null when it is not kept.</summary>
    internal ZoneStore? Store => _store;

    /// <inheritdoc/>
    public int Report(long sector, Span<BlockZone> destination)
    {
        lock (_gate)
        {
            int first = _table.IndexOf(sector);
            int count = Math.Min(destination.Length, _table.Count - first);
            for (int index = 0; index < count; index++)
            {
                destination[index] = _table.Describe(first + index);
            }

            return count;
        }
    }

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new ZonedChannel(this, Inner, queueIndex, tagCount, completions);

    /// <summary>Closes the file that remembers the zones. No channel may be open.</summary>
    public void Dispose()
    {
        _workers.Dispose();
        _store?.Dispose();
        _unused.Dispose();
    }

    /// <summary>Makes what synchronizes the file that remembers the zones; null when there is none.</summary>
    internal ThreadEngine? OpenSynchronizer(int queueIndex, int tagCount, IFileCompletions completions)
    {
        if (_store is null)
        {
            return null;
        }

        FilePair files = new(_store.File, _store.File);
        ThreadEngine engine = new(_loops[queueIndex], _workers, files, _unused, tagCount, completions);
        engine.Start();
        return engine;
    }

    /// <summary>Checks a read, and says how much of it was ever written.</summary>
    internal BlockResult BeginRead(long offsetBytes, long lengthBytes, out long writtenBytes)
    {
        lock (_gate)
        {
            long sector = offsetBytes / BlockDevice.SectorBytes;
            BlockResult result = _table.CheckRead(sector, lengthBytes / BlockDevice.SectorBytes);
            int index = _table.IndexOf(sector);
            long limit = (_table.StartOf(index) + _table.WrittenOf(index)) * BlockDevice.SectorBytes;
            writtenBytes = _table.IsSequential(index) ? Math.Clamp(limit - offsetBytes, 0, lengthBytes) : lengthBytes;
            return result;
        }
    }

    /// <summary>Begins a write.</summary>
    internal BlockResult BeginWrite(long offsetBytes, long lengthBytes)
    {
        lock (_gate)
        {
            long sector = offsetBytes / BlockDevice.SectorBytes;
            return Kept(sector, _table.BeginWrite(sector, lengthBytes / BlockDevice.SectorBytes));
        }
    }

    /// <summary>Begins an append, and says where it goes.</summary>
    internal BlockResult BeginAppend(long offsetBytes, long lengthBytes, out long atBytes)
    {
        lock (_gate)
        {
            long sector = offsetBytes / BlockDevice.SectorBytes;
            BlockResult result = _table.BeginAppend(sector, lengthBytes / BlockDevice.SectorBytes, out long at);
            atBytes = at * BlockDevice.SectorBytes;
            return Kept(sector, result);
        }
    }

    /// <summary>A write has failed.</summary>
    internal void UndoWrite(long offsetBytes, long lengthBytes)
    {
        lock (_gate)
        {
            long sector = offsetBytes / BlockDevice.SectorBytes;
            _table.Undo(sector, lengthBytes / BlockDevice.SectorBytes);
            Keep(_table.IndexOf(sector));
        }
    }

    /// <summary>Opens, closes or finishes a zone, or checks whether it can be reset.</summary>
    internal BlockResult Manage(BlockZoneAction action, long offsetBytes)
    {
        lock (_gate)
        {
            long sector = offsetBytes / BlockDevice.SectorBytes;
            int index = _table.IndexOf(sector);
            if (_table.StartOf(index) != sector)
            {
                return BlockResult.ZoneInvalid;
            }

            BlockResult result = action switch
            {
                BlockZoneAction.Open => _table.Open(index),
                BlockZoneAction.Close => _table.Close(index),
                BlockZoneAction.Finish => _table.Finish(index),
                _ => _table.CheckReset(index),
            };
            return Kept(sector, result);
        }
    }

    /// <summary>The next zone from one on that has something to reset.</summary>
    /// <param name="first">Where to look from.</param>
    /// <param name="last">The last zone to look at.</param>
    /// <param name="offsetBytes">First byte of the zone.</param>
    /// <param name="writtenBytes">How much of it was written; may be 0.</param>
    /// <returns>The zone, or -1 when there is none.</returns>
    internal int NextToReset(int first, int last, out long offsetBytes, out long writtenBytes)
    {
        lock (_gate)
        {
            for (int index = first; index <= Math.Min(last, _table.Count - 1); index++)
            {
                if (
                    _table.CheckReset(index) == BlockResult.Done
                    && _table.RecordOf(index).State != BlockZoneState.Empty
                )
                {
                    offsetBytes = _table.StartOf(index) * BlockDevice.SectorBytes;
                    writtenBytes = _table.WrittenOf(index) * BlockDevice.SectorBytes;
                    return index;
                }
            }

            (offsetBytes, writtenBytes) = (0, 0);
            return -1;
        }
    }

    /// <summary>Makes a zone empty.</summary>
    internal void Reset(int index)
    {
        lock (_gate)
        {
            _table.Reset(index);
            Keep(index);
        }
    }

    /// <summary>The zone of a byte.</summary>
    internal int IndexOf(long offsetBytes) => _table.IndexOf(offsetBytes / BlockDevice.SectorBytes);

    private static void Check(IBlockBackend inner, ZonedDiskOptions options, uint granularity)
    {
        Require(
            BitOperations.IsPow2(options.ZoneSectors) && options.ZoneSectors >= granularity,
            $"zones of {options.ZoneSectors} sectors: a power of two, at least {granularity}"
        );
        Require(
            options.ZoneCapacitySectors <= options.ZoneSectors && options.ZoneCapacitySectors % granularity == 0,
            $"zones of which {options.ZoneCapacitySectors} sectors can be written: a multiple of {granularity}, at most {options.ZoneSectors}"
        );
        Require(inner.CapacitySectors > 0, "the disk is empty");
        Require(
            (inner.CapacitySectors + options.ZoneSectors - 1) / options.ZoneSectors <= ZonesMax,
            $"more than {ZonesMax} zones: make them larger"
        );
        Require(options.ConventionalZones >= 0, "a negative number of conventional zones");
        bool isOpenMoreThanActive =
            options.ActiveZonesMax > 0 && (options.OpenZonesMax == 0 || options.OpenZonesMax > options.ActiveZonesMax);
        Require(!isOpenMoreThanActive, "more zones may be open than active");
        Require(inner.Zones is null, "the disk has zones already");
    }

    private static void Require(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new DeviceException($"zoned disk: {sentence}");
        }
    }

    /// <summary>
    /// Zones are written in order and emptied by reset, so what forgets or zeroes parts of them is not offered; secure erase is a reset
    /// of whole zones (VIRTIO 1.4 §5.2.6.2).
    /// </summary>
    private static BlockTraits MakeTraits(BlockTraits inner, ZonedDiskOptions options)
    {
        long zoneBytes = (long)options.ZoneSectors * BlockDevice.SectorBytes;
        bool hasSecureErase =
            inner.SecureErase is { } limits && limits.LengthBytesMax >= zoneBytes && zoneBytes <= int.MaxValue;
        return inner with
        {
            Discard = null,
            WriteZeroes = null,
            WriteZeroesMayUnmap = false,
            SecureErase = hasSecureErase ? new(zoneBytes, (int)zoneBytes) : null,
        };
    }

    private void Restore(ZoneStore store)
    {
        for (int index = 0; index < _table.Count; index++)
        {
            if (!store.IsNew && !_table.TryRestore(index, store.Read(index)))
            {
                DamagedZones++;
            }

            Keep(index);
        }
    }

    /// <summary>Remembers the zone of a sector. One that was closed to make room need not be: what was open is closed when it is restored.</summary>
    private BlockResult Kept(long sector, BlockResult result)
    {
        Keep(_table.IndexOf(sector));
        return result;
    }

    private void Keep(int index) => _store?.Write(index, _table.RecordOf(index));
}
