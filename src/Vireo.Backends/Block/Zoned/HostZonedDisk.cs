using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Filters;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Zoned;

/// <summary>A zoned block device of the host with its own zones.</summary>
/// <remarks>
/// The device keeps states and limits, and is asked for them. What is kept here is where each zone is written next: an append, which block
/// devices offer to nobody outside the kernel, is a write there. A write that fails has that looked up anew.
/// </remarks>
public sealed class HostZonedDisk : FilterDisk, IBlockZones, IDisposable
{
    private const int ZonesAtOnce = 256;
    private const byte NotWritten = (byte)BlockZoneState.NotWritePointer;

    private readonly BlockDeviceZones _device;
    private readonly EventLoopGroup _loops;
    private readonly WorkerPool _workers = new("blk-zones", threadsMax: 1);
    private readonly Lock _gate = new();
    private readonly long _zoneSectors;
    private readonly long _granularitySectors;
    private readonly Pointer[] _zones;

    /// <summary>Shows the zones of a device.</summary>
    /// <param name="inner">The disk; stays the caller's.</param>
    /// <param name="device">Its zones.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's.</param>
    /// <exception cref="DeviceException">The zones are not of one size that a driver can be told of.</exception>
    /// <exception cref="LinuxException">The device does not tell of its zones.</exception>
    public HostZonedDisk(IBlockBackend inner, BlockDeviceZones device, EventLoopGroup loops)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(device);
        _device = device;
        _loops = loops;
        if (device.ZoneSectors is <= 0 or > uint.MaxValue || inner.CapacitySectors == 0)
        {
            throw new DeviceException($"zones of {device.ZoneSectors} sectors cannot be shown to a driver");
        }

        _zoneSectors = device.ZoneSectors;
        _granularitySectors = Math.Max(1, device.WriteGranularityBytes / BlockDevice.SectorBytes);
        Traits = inner.Traits with
        {
            Discard = null,
            WriteZeroes = null,
            WriteZeroesMayUnmap = false,
            SecureErase = null,
        };
        ZoneTraits = new()
        {
            Model = device.IsHostManaged ? BlockZoneModel.HostManaged : BlockZoneModel.HostAware,
            ZoneSectors = (uint)device.ZoneSectors,
            OpenZonesMax = (uint)Math.Min(device.OpenMax, uint.MaxValue),
            ActiveZonesMax = (uint)Math.Min(device.ActiveMax, uint.MaxValue),
            AppendSectorsMax = (uint)Math.Min(device.AppendMaxBytes / BlockDevice.SectorBytes, device.ZoneSectors),
            WriteGranularityBytes = (uint)(_granularitySectors * BlockDevice.SectorBytes),
        };
        _zones = new Pointer[(inner.CapacitySectors + _zoneSectors - 1) / _zoneSectors];
        for (int index = 0; index < _zones.Length; index += ZonesAtOnce)
        {
            if (LookUp(index, Math.Min(ZonesAtOnce, _zones.Length - index)) is var error and not Errno.None)
            {
                throw new LinuxException(error, "BLKREPORTZONE", $"zone {index}");
            }
        }
    }

    /// <inheritdoc/>
    public override BlockTraits Traits { get; }

    /// <inheritdoc/>
    public override IBlockZones Zones => this;

    /// <inheritdoc/>
    BlockZoneTraits IBlockZones.Traits => ZoneTraits;

    /// <summary>What the zones have in common.</summary>
    public BlockZoneTraits ZoneTraits { get; }

    /// <inheritdoc/>
    public int Report(long sector, Span<BlockZone> destination)
    {
        Span<DeviceZone> zones = new DeviceZone[destination.Length];
        int count = Math.Max(_device.Report(sector, zones), 0);
        for (int index = 0; index < count; index++)
        {
            DeviceZone zone = zones[index];
            destination[index] = new(
                zone.Start,
                zone.Capacity,
                zone.WritePointer,
                (BlockZoneType)zone.Type,
                (BlockZoneState)zone.Condition
            );
        }

        return count;
    }

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new HostZonedChannel(this, Inner, queueIndex, tagCount, completions);

    /// <summary>Ends the thread that waits for the device. No channel may be open.</summary>
    public void Dispose() => _workers.Dispose();

    /// <summary>Makes what waits for the device on behalf of a queue.</summary>
    internal ZoneManager OpenManager(int queueIndex, int tagCount, HostZonedChannel channel)
    {
        ZoneManager manager = new(this, _loops[queueIndex], _workers, tagCount, channel);
        manager.Start();
        return manager;
    }

    /// <summary>Checks a read: within a zone, or among conventional ones.</summary>
    internal BlockResult CheckRead(long offsetBytes, long lengthBytes)
    {
        int first = IndexOf(offsetBytes);
        int last = IndexOf(offsetBytes + lengthBytes - 1);
        lock (_gate)
        {
            bool isOrdered = _zones[first].IsSequential || _zones[last].IsSequential;
            return first != last && isOrdered ? BlockResult.ZoneInvalid : BlockResult.Done;
        }
    }

    /// <summary>Begins a write.</summary>
    internal BlockResult BeginWrite(long offsetBytes, long lengthBytes)
    {
        int index = IndexOf(offsetBytes);
        bool crosses = index != IndexOf(offsetBytes + lengthBytes - 1);
        lock (_gate)
        {
            if (!_zones[index].IsSequential)
            {
                bool isOrdered = _zones[IndexOf(offsetBytes + lengthBytes - 1)].IsSequential;
                return crosses && isOrdered ? BlockResult.ZoneInvalid : BlockResult.Done;
            }

            if (crosses)
            {
                return BlockResult.ZoneInvalid;
            }

            Refresh(index);
            long sector = offsetBytes / BlockDevice.SectorBytes;
            // Full zones, and those that cannot be written, have no sector left.
            return _zones[index].Left == 0 ? BlockResult.ZoneInvalid
                : sector != _zones[index].Next ? BlockResult.ZoneUnaligned
                : Advance(index, lengthBytes / BlockDevice.SectorBytes);
        }
    }

    /// <summary>Begins an append, and says where it goes.</summary>
    internal BlockResult BeginAppend(long offsetBytes, long lengthBytes, out long atBytes)
    {
        int index = IndexOf(offsetBytes);
        lock (_gate)
        {
            Refresh(index);
            atBytes = _zones[index].Next * BlockDevice.SectorBytes;
            bool isStart = offsetBytes == index * _zoneSectors * BlockDevice.SectorBytes;
            return isStart && _zones[index].IsSequential
                ? Advance(index, lengthBytes / BlockDevice.SectorBytes)
                : BlockResult.ZoneInvalid;
        }
    }

    /// <summary>A write has ended.</summary>
    internal void EndWrite(long offsetBytes, bool isGood)
    {
        int index = IndexOf(offsetBytes);
        lock (_gate)
        {
            _zones[index].InFlight -= _zones[index].IsSequential ? 1 : 0;
            _zones[index].IsStale |= !isGood;
        }
    }

    /// <summary>Whether a driver may do something with the zone that begins at a byte.</summary>
    internal BlockResult CheckManaged(long offsetBytes)
    {
        int index = IndexOf(offsetBytes);
        lock (_gate)
        {
            return offsetBytes == index * _zoneSectors * BlockDevice.SectorBytes && _zones[index].IsSequential
                ? BlockResult.Done
                : BlockResult.ZoneInvalid;
        }
    }

    /// <summary>Has the device do something with a zone, or with all of them; on a thread that may wait.</summary>
    /// <returns>0, or a negated <see cref="Errno"/>.</returns>
    internal int Manage(BlockZoneAction action, long offsetBytes)
    {
        bool isAll = action == BlockZoneAction.ResetAll;
        long first = isAll ? 0 : offsetBytes / BlockDevice.SectorBytes;
        long count = isAll ? CapacitySectors : Math.Min(_zoneSectors, CapacitySectors - first);
        int result = _device.Manage(
            action switch
            {
                BlockZoneAction.Open => DeviceZoneAction.Open,
                BlockZoneAction.Close => DeviceZoneAction.Close,
                BlockZoneAction.Finish => DeviceZoneAction.Finish,
                _ => DeviceZoneAction.Reset,
            },
            first,
            count
        );
        lock (_gate)
        {
            int last = (int)((first + count - 1) / _zoneSectors);
            for (int index = (int)(first / _zoneSectors); index <= last; index++)
            {
                _zones[index].IsStale = true;
            }
        }

        return result;
    }

    private int IndexOf(long offsetBytes) => (int)(offsetBytes / BlockDevice.SectorBytes / _zoneSectors);

    private BlockResult Advance(int index, long count)
    {
        ref Pointer zone = ref _zones[index];
        if (count % _granularitySectors != 0)
        {
            return BlockResult.ZoneUnaligned;
        }

        if (count > zone.Left)
        {
            return BlockResult.ZoneInvalid;
        }

        zone.Next += count;
        zone.Left -= count;
        zone.InFlight++;
        return BlockResult.Done;
    }

    /// <summary>Looks up where a zone is written next, if that is not known any more and nothing is on its way.</summary>
    private void Refresh(int index)
    {
        if (_zones[index] is { IsStale: true, InFlight: 0 })
        {
            LookUp(index, 1);
        }
    }

    private Errno LookUp(int first, int count)
    {
        Span<DeviceZone> zones = new DeviceZone[count];
        int told = _device.Report(first * _zoneSectors, zones);
        if (told < count)
        {
            return told < 0 ? (Errno)(-told) : Errno.EIO;
        }

        for (int index = 0; index < count; index++)
        {
            DeviceZone zone = zones[index];
            bool isWritable =
                (BlockZoneState)zone.Condition
                is BlockZoneState.Empty
                    or BlockZoneState.ImplicitlyOpen
                    or BlockZoneState.ExplicitlyOpen
                    or BlockZoneState.Closed;
            _zones[first + index] = new()
            {
                IsSequential = zone.Type == (byte)BlockZoneType.SequentialRequired && zone.Condition != NotWritten,
                Next = isWritable ? zone.WritePointer : zone.Start + zone.Capacity,
                Left = isWritable ? zone.Start + zone.Capacity - zone.WritePointer : 0,
            };
        }

        return Errno.None;
    }

    /// <summary>Where a zone is written next.</summary>
    private struct Pointer
    {
        /// <summary>Whether it must be written in order.</summary>
        public bool IsSequential;

        /// <summary>Whether the device may know better.</summary>
        public bool IsStale;

        /// <summary>Writes on their way.</summary>
        public int InFlight;

        /// <summary>The sector.</summary>
        public long Next;

        /// <summary>How many sectors can be written from there on.</summary>
        public long Left;
    }
}
