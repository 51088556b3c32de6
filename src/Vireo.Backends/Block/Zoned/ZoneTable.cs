using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Zoned;

/// <summary>The state machine of the zones of a host-managed disk (VIRTIO 1.4 §5.2.6), in memory. No I/O, no lock.</summary>
/// <remarks>
/// <code>
///            write            open
///   empty ---------> implicitly open ---------> explicitly open
///     ^  \--------------- open ------------------^    |
///     |                     |  ^ write                | close (written), or another zone needs the room
///     |                     v  |                      v
///     '----- reset ------ closed &lt;--------------------'
///     '----- reset ------ full   &lt;----- finish, or written to the end
/// </code>
/// The write pointer moves when a write begins, so that a driver may have several on their way; it goes back when the last one
/// fails. All numbers are sectors.
/// </remarks>
internal sealed class ZoneTable
{
    private readonly ZoneRecord[] _zones;
    private readonly ZonedDiskOptions _options;
    private readonly long _capacitySectors;
    private readonly uint _granularitySectors;

    /// <summary>Zones that are open, by whichever way.</summary>
    private int _openCount;

    /// <summary>Zones that are open or closed.</summary>
    private int _activeCount;

    /// <summary>Where to look for an implicitly open zone to close: they are taken in turn.</summary>
    private int _closeHint;

    /// <summary>Makes a table of empty zones.</summary>
    /// <param name="options">How the disk is divided.</param>
    /// <param name="capacitySectors">Its size.</param>
    /// <param name="granularitySectors">What writes are multiples of.</param>
    public ZoneTable(ZonedDiskOptions options, long capacitySectors, uint granularitySectors)
    {
        _options = options;
        _capacitySectors = capacitySectors;
        _granularitySectors = granularitySectors;
        _zones = new ZoneRecord[(capacitySectors + options.ZoneSectors - 1) / options.ZoneSectors];
        for (int index = 0; index < _zones.Length; index++)
        {
            Clear(index);
        }
    }

    /// <summary>How many zones there are.</summary>
    public int Count => _zones.Length;

    /// <summary>The zone that holds a sector.</summary>
    public int IndexOf(long sector) => (int)(sector / _options.ZoneSectors);

    /// <summary>First sector of a zone.</summary>
    public long StartOf(int index) => (long)index * _options.ZoneSectors;

    /// <summary>Whether a zone must be written in order.</summary>
    public bool IsSequential(int index) => index >= _options.ConventionalZones;

    /// <summary>How many sectors of a zone can be written.</summary>
    public long CapacityOf(int index)
    {
        long size = Math.Min(_options.ZoneSectors, _capacitySectors - StartOf(index));
        bool isWhole = _options.ZoneCapacitySectors == 0 || !IsSequential(index);
        return isWhole ? size : Math.Min(size, _options.ZoneCapacitySectors);
    }

    /// <summary>The sectors from the start of a zone that were written.</summary>
    public long WrittenOf(int index) => IsSequential(index) ? _zones[index].WrittenSectors : CapacityOf(index);

    /// <summary>What is to be remembered of a zone.</summary>
    public ZoneRecord RecordOf(int index) => _zones[index];

    /// <summary>Takes what was remembered; zones that were open are closed, as after a loss of power.</summary>
    /// <returns>False when it cannot be what a table has said; the zone is then offline, so that nobody trusts it.</returns>
    public bool TryRestore(int index, ZoneRecord record)
    {
        if (!IsSequential(index))
        {
            return true;
        }

        bool isSane = record.WrittenSectors >= 0 && record.WrittenSectors <= CapacityOf(index);
        BlockZoneState state = record.State switch
        {
            _ when !isSane => BlockZoneState.Offline,
            BlockZoneState.Empty or BlockZoneState.ExplicitlyOpen when record.WrittenSectors == 0 =>
                BlockZoneState.Empty,
            BlockZoneState.ImplicitlyOpen or BlockZoneState.ExplicitlyOpen or BlockZoneState.Closed =>
                record.WrittenSectors == 0 ? BlockZoneState.Empty : BlockZoneState.Closed,
            BlockZoneState.Full => BlockZoneState.Full,
            _ => BlockZoneState.Offline,
        };
        _zones[index] = new(state == BlockZoneState.Offline ? 0 : record.WrittenSectors, state);
        _activeCount += state == BlockZoneState.Closed ? 1 : 0;
        return state != BlockZoneState.Offline;
    }

    /// <summary>A zone as a report shows it.</summary>
    public BlockZone Describe(int index)
    {
        long start = StartOf(index);
        ZoneRecord zone = _zones[index];
        BlockZoneType type = IsSequential(index) ? BlockZoneType.SequentialRequired : BlockZoneType.Conventional;
        bool isFull = zone.State == BlockZoneState.Full;
        long pointer = isFull ? start + CapacityOf(index) : start + zone.WrittenSectors;
        return new(start, CapacityOf(index), pointer, type, zone.State);
    }

    /// <summary>Checks a read.</summary>
    public BlockResult CheckRead(long sector, long count)
    {
        int first = IndexOf(sector);
        int last = IndexOf(sector + count - 1);
        for (int index = first; index <= last; index++)
        {
            bool crosses = first != last && IsSequential(index);
            if (crosses || _zones[index].State == BlockZoneState.Offline)
            {
                return BlockResult.ZoneInvalid;
            }
        }

        return BlockResult.Done;
    }

    /// <summary>Begins a write: opens the zone and moves its pointer.</summary>
    /// <param name="sector">First sector.</param>
    /// <param name="count">How many.</param>
    public BlockResult BeginWrite(long sector, long count)
    {
        int index = IndexOf(sector);
        bool crosses = index != IndexOf(sector + count - 1);
        if (!IsSequential(index))
        {
            return crosses && IsSequential(IndexOf(sector + count - 1)) ? BlockResult.ZoneInvalid : BlockResult.Done;
        }

        if (crosses || !IsWritable(index))
        {
            return BlockResult.ZoneInvalid;
        }

        long pointer = StartOf(index) + _zones[index].WrittenSectors;
        if (sector != pointer || count % _granularitySectors != 0)
        {
            return BlockResult.ZoneUnaligned;
        }

        return Advance(index, count);
    }

    /// <summary>Begins an append: opens the zone and moves its pointer.</summary>
    /// <param name="sector">First sector of the zone.</param>
    /// <param name="count">How many sectors.</param>
    /// <param name="at">Where they go.</param>
    public BlockResult BeginAppend(long sector, long count, out long at)
    {
        int index = IndexOf(sector);
        at = StartOf(index) + _zones[index].WrittenSectors;
        if (!IsSequential(index) || sector != StartOf(index) || !IsWritable(index))
        {
            return BlockResult.ZoneInvalid;
        }

        return count % _granularitySectors != 0 ? BlockResult.ZoneUnaligned : Advance(index, count);
    }

    /// <summary>A write or append has failed: its sectors count as not written, if nothing was written behind them.</summary>
    public void Undo(long sector, long count)
    {
        int index = IndexOf(sector);
        ZoneRecord zone = _zones[index];
        if (!IsSequential(index) || StartOf(index) + zone.WrittenSectors != sector + count)
        {
            return;
        }

        if (zone.State == BlockZoneState.Full && zone.WrittenSectors == CapacityOf(index))
        {
            // It became full by this very write, and gave its resources back then.
            _activeCount++;
            zone = zone with { State = BlockZoneState.Closed };
        }

        zone = zone with { WrittenSectors = sector - StartOf(index) };
        if (zone is { State: BlockZoneState.Closed, WrittenSectors: 0 })
        {
            _activeCount--;
            zone = zone with { State = BlockZoneState.Empty };
        }

        _zones[index] = zone;
    }

    /// <summary>The driver opens a zone.</summary>
    public BlockResult Open(int index)
    {
        ZoneRecord zone = _zones[index];
        if (!IsSequential(index) || !IsWritable(index))
        {
            return BlockResult.ZoneInvalid;
        }

        if (zone.State == BlockZoneState.ExplicitlyOpen)
        {
            return BlockResult.Done;
        }

        BlockResult result = zone.State == BlockZoneState.ImplicitlyOpen ? BlockResult.Done : TakeResources(index);
        if (result == BlockResult.Done)
        {
            _zones[index] = zone with { State = BlockZoneState.ExplicitlyOpen };
        }

        return result;
    }

    /// <summary>The driver closes a zone.</summary>
    public BlockResult Close(int index)
    {
        ZoneRecord zone = _zones[index];
        if (!IsSequential(index))
        {
            return BlockResult.ZoneInvalid;
        }

        switch (zone.State)
        {
            case BlockZoneState.Closed:
                return BlockResult.Done;
            case BlockZoneState.ImplicitlyOpen or BlockZoneState.ExplicitlyOpen:
                CloseOpen(index);
                return BlockResult.Done;
            default:
                return BlockResult.ZoneInvalid;
        }
    }

    /// <summary>The driver makes a zone full.</summary>
    public BlockResult Finish(int index)
    {
        ZoneRecord zone = _zones[index];
        if (!IsSequential(index) || !(IsWritable(index) || zone.State == BlockZoneState.Full))
        {
            return BlockResult.ZoneInvalid;
        }

        ReleaseResources(index);
        _zones[index] = zone with { State = BlockZoneState.Full };
        return BlockResult.Done;
    }

    /// <summary>Whether a zone can be reset.</summary>
    public BlockResult CheckReset(int index) =>
        IsSequential(index) && (IsWritable(index) || _zones[index].State == BlockZoneState.Full)
            ? BlockResult.Done
            : BlockResult.ZoneInvalid;

    /// <summary>Makes a zone empty; <see cref="CheckReset"/> has allowed it.</summary>
    public void Reset(int index)
    {
        ReleaseResources(index);
        Clear(index);
    }

    private void Clear(int index) =>
        _zones[index] = new(0, IsSequential(index) ? BlockZoneState.Empty : BlockZoneState.NotWritePointer);

    private bool IsWritable(int index) =>
        _zones[index].State
            is BlockZoneState.Empty
                or BlockZoneState.ImplicitlyOpen
                or BlockZoneState.ExplicitlyOpen
                or BlockZoneState.Closed;

    /// <summary>Moves the pointer of a writable zone; opens it if need be.</summary>
    private BlockResult Advance(int index, long count)
    {
        ZoneRecord zone = _zones[index];
        if (count > CapacityOf(index) - zone.WrittenSectors)
        {
            return BlockResult.ZoneInvalid;
        }

        if (zone.State is BlockZoneState.Empty or BlockZoneState.Closed)
        {
            BlockResult result = TakeResources(index);
            if (result != BlockResult.Done)
            {
                return result;
            }

            zone = zone with { State = BlockZoneState.ImplicitlyOpen };
        }

        _zones[index] = zone with { WrittenSectors = zone.WrittenSectors + count };
        if (zone.WrittenSectors + count == CapacityOf(index))
        {
            ReleaseResources(index);
            _zones[index] = new(zone.WrittenSectors + count, BlockZoneState.Full);
        }

        return BlockResult.Done;
    }

    /// <summary>Counts a zone that is empty or closed as open; closes another that nobody has asked to be open, if need be.</summary>
    private BlockResult TakeResources(int index)
    {
        bool isActive = _zones[index].State == BlockZoneState.Closed;
        if (!isActive && _options.ActiveZonesMax > 0 && _activeCount >= _options.ActiveZonesMax)
        {
            return BlockResult.ZoneActiveLimit;
        }

        if (_options.OpenZonesMax > 0 && _openCount >= _options.OpenZonesMax && !TryCloseAnother())
        {
            return BlockResult.ZoneOpenLimit;
        }

        _openCount++;
        _activeCount += isActive ? 0 : 1;
        return BlockResult.Done;
    }

    private bool TryCloseAnother()
    {
        for (int step = 0; step < _zones.Length; step++)
        {
            int index = (_closeHint + step) % _zones.Length;
            if (_zones[index].State == BlockZoneState.ImplicitlyOpen)
            {
                _closeHint = index + 1;
                CloseOpen(index);
                return true;
            }
        }

        return false;
    }

    private void CloseOpen(int index)
    {
        ReleaseResources(index);
        bool isWritten = _zones[index].WrittenSectors > 0;
        _activeCount += isWritten ? 1 : 0;
        _zones[index] = _zones[index] with { State = isWritten ? BlockZoneState.Closed : BlockZoneState.Empty };
    }

    /// <summary>Gives back what a zone's present state takes up.</summary>
    private void ReleaseResources(int index)
    {
        switch (_zones[index].State)
        {
            case BlockZoneState.ImplicitlyOpen or BlockZoneState.ExplicitlyOpen:
                _openCount--;
                _activeCount--;
                break;
            case BlockZoneState.Closed:
                _activeCount--;
                break;
        }
    }
}
