using System.Numerics;
using System.Text;
using Vireo.Core.Contract;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>The block device: a disk behind one or several queues (VIRTIO 1.4 §5.2).</summary>
/// <remarks>
/// Knows the specification; what a disk is, its <see cref="IBlockBackend"/> knows. The data plane is
/// <see cref="BlockQueueHandler"/>, one per queue that runs.
/// </remarks>
public sealed class BlockDevice : EmulatedDevice
{
    /// <summary>The unit of all sector numbers, whatever the logical block size (VIRTIO 1.4 §5.2.5).</summary>
    public const int SectorBytes = 512;

    /// <summary>The largest disk, in sectors: byte offsets stay below 2^63.</summary>
    public const long CapacitySectorsMax = 1L << 54;

    /// <summary>Length of the identification in bytes.</summary>
    public const int SerialBytesMax = 20;

    /// <summary>How many ranges one discard or write zeroes request may have.</summary>
    internal const int RangesMax = 32;

    private const int QueueCountMax = 1024;
    private const int LogicalBlockBytesMax = 65536;

    /// <summary>The descriptors of a request that are not data: header and status.</summary>
    private const int FramingDescriptors = 2;

    private readonly IBlockBackend _backend;
    private readonly BlockOptions _options;
    private readonly byte[] _serial;
    private readonly BlockQueueStatistics[] _statistics;

    /// <summary>The config field <c>writeback</c>. Control thread only.</summary>
    private bool _isWriteback;

    /// <summary>What <see cref="_isWriteback"/> and the negotiated features come to; read by the queues' loops.</summary>
    private volatile bool _isWriteThrough;

    /// <summary>Makes a device for a disk.</summary>
    /// <param name="backend">The disk; stays the caller's and must outlive the device.</param>
    /// <param name="options">What the operator decides; null for the defaults.</param>
    /// <exception cref="DeviceException">An option is out of range, or the disk is not one a driver could use.</exception>
    public BlockDevice(IBlockBackend backend, BlockOptions? options = null)
        : base(MakeQueues(options ??= new()))
    {
        ArgumentNullException.ThrowIfNull(backend);
        CheckTraits(backend);
        _backend = backend;
        _options = options;
        _serial = EncodeSerial(options.Serial);
        _statistics = new BlockQueueStatistics[options.QueueCount];
        for (int index = 0; index < _statistics.Length; index++)
        {
            _statistics[index] = new();
        }

        ResetCacheMode();
        backend.CapacityChanged = NotifyConfigChanged;
    }

    /// <inheritdoc/>
    public override DeviceType Type => DeviceType.Block;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures
    {
        get
        {
            BlockTraits traits = _backend.Traits;
            return FeatureSet
                .Of(BlockFeatures.SegmentsMax, BlockFeatures.Geometry, BlockFeatures.BlockSize)
                .With(BlockFeatures.Flush)
                .With(BlockFeatures.Topology)
                .With(BlockFeatures.ConfigWriteback)
                .WithIf(BlockFeatures.SizeMax, _options.SegmentBytesMax > 0)
                .WithIf(BlockFeatures.ReadOnly, traits.IsReadOnly)
                .WithIf(BlockFeatures.MultiQueue, _options.QueueCount > 1)
                .WithIf(BlockFeatures.Discard, traits.Discard is not null && !traits.IsReadOnly && !IsHostManaged)
                .WithIf(BlockFeatures.WriteZeroes, traits.WriteZeroes is not null && !traits.IsReadOnly)
                .WithIf(BlockFeatures.SecureErase, traits.SecureErase is not null && !traits.IsReadOnly)
                .WithIf(BlockFeatures.Lifetime, _backend.Lifetime is not null)
                .WithIf(BlockFeatures.Zoned, _backend.Zones is not null);
        }
    }

    /// <inheritdoc/>
    public override FeatureSet WritableConfigFeatures => FeatureSet.Of(BlockFeatures.ConfigWriteback);

    /// <inheritdoc/>
    public override int ConfigLengthBytes => Wire.SizeOf<BlockConfig>();

    /// <summary>The disk.</summary>
    internal IBlockBackend Backend => _backend;

    /// <summary>The identification, padded with zeroes to <see cref="SerialBytesMax"/>.</summary>
    internal ReadOnlySpan<byte> Serial => _serial;

    /// <summary>Whether writes must be stable when they complete (VIRTIO 1.4 §5.2.6.2). Any thread.</summary>
    internal bool IsWriteThrough => _isWriteThrough;

    /// <summary>Whether the driver accepted a feature.</summary>
    internal bool HasFeature(int feature) => Features.Contains(feature);

    /// <summary>The largest zone append in sectors; 0 when there is none (VIRTIO 1.4 §5.2.5.2).</summary>
    internal uint AppendSectorsMax
    {
        get
        {
            uint sectors = _backend.Zones?.Traits.AppendSectorsMax ?? 0;
            long byFraming = (long)_options.SegmentsMax * _options.SegmentBytesMax / SectorBytes;
            return byFraming == 0 ? sectors : (uint)Math.Min(sectors, byFraming);
        }
    }

    private bool IsHostManaged => _backend.Zones is { Traits.Model: BlockZoneModel.HostManaged };

    /// <summary>What a queue has done. Any thread.</summary>
    /// <param name="queueIndex">Which queue, below the number of queues.</param>
    public BlockQueueStatistics StatisticsOf(int queueIndex) => _statistics[queueIndex];

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        if (IsHostManaged && !features.Contains(BlockFeatures.Zoned))
        {
            throw new DeviceException("a host-managed zoned disk needs a driver that accepts ZONED");
        }

        var cacheFeatures = FeatureSet.Of(BlockFeatures.Flush, BlockFeatures.ConfigWriteback);
        bool isOther = (features & cacheFeatures) != (Features & cacheFeatures);
        base.Accept(features);
        // The same choice again (a home that turns on dirty logging) leaves the cache mode as the driver has set it.
        if (isOther)
        {
            ResetCacheMode();
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        base.Reset();
        ResetCacheMode();
    }

    /// <inheritdoc/>
    public override void ReadConfig(int offset, Span<byte> destination) =>
        Wire.ReadAt(MakeConfig(), offset, destination);

    /// <inheritdoc/>
    public override void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        bool coversWriteback =
            offset is >= 0 and <= BlockConfig.WritebackOffset && source.Length > BlockConfig.WritebackOffset - offset;
        if (!coversWriteback || !HasFeature(BlockFeatures.ConfigWriteback))
        {
            return;
        }

        _isWriteback = source[BlockConfig.WritebackOffset - offset] != 0;
        ApplyCacheMode();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _backend.CapacityChanged = null;
        }

        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override QueueHandler CreateHandler(int queueIndex) =>
        new BlockQueueHandler(this, _statistics[queueIndex]);

    private static QueueTraits[] MakeQueues(BlockOptions options)
    {
        Require(options.QueueCount is >= 1 and <= QueueCountMax, $"{options.QueueCount} queues: 1 to {QueueCountMax}");
        Require(
            BitOperations.IsPow2(options.QueueSizeMax) && options.QueueSizeMax <= SplitRing.SizeMax,
            $"queue size {options.QueueSizeMax}: a power of two up to {SplitRing.SizeMax}"
        );
        Require(
            options.SegmentsMax >= 1 && options.SegmentsMax <= QueueTraits.UsualSizeMax - FramingDescriptors,
            $"{options.SegmentsMax} segments: 1 to {QueueTraits.UsualSizeMax - FramingDescriptors}"
        );
        Require(
            options.SegmentBytesMax is 0 or >= SectorBytes,
            $"segments of {options.SegmentBytesMax} bytes: 0 for no limit, or at least {SectorBytes}"
        );
        var queues = new QueueTraits[options.QueueCount];
        for (int index = 0; index < queues.Length; index++)
        {
            queues[index] = new($"requestq{index + 1}", options.QueueSizeMax);
        }

        return queues;
    }

    private static void CheckTraits(IBlockBackend backend)
    {
        BlockTraits traits = backend.Traits;
        int logical = traits.LogicalBlockBytes;
        Require(
            BitOperations.IsPow2(logical) && logical is >= SectorBytes and <= LogicalBlockBytesMax,
            $"logical block of {logical} bytes: a power of two from {SectorBytes} to {LogicalBlockBytesMax}"
        );
        Require(
            BitOperations.IsPow2(traits.PhysicalBlockBytes) && traits.PhysicalBlockBytes >= logical,
            $"physical block of {traits.PhysicalBlockBytes} bytes: a power of two, at least the logical {logical}"
        );
        Require(
            backend.CapacitySectors is >= 0 and <= CapacitySectorsMax,
            $"{backend.CapacitySectors} sectors: at most {CapacitySectorsMax}"
        );
    }

    private static byte[] EncodeSerial(string serial)
    {
        bool isPrintable = !serial.AsSpan().ContainsAnyExceptInRange(' ', '~');
        Require(
            isPrintable && serial.Length <= SerialBytesMax,
            $"serial '{serial}': up to {SerialBytesMax} printable ASCII characters"
        );
        byte[] bytes = new byte[SerialBytesMax];
        Encoding.ASCII.GetBytes(serial, bytes);
        return bytes;
    }

    private static void Require(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new DeviceException($"block device: {sentence}");
        }
    }

    /// <summary>The cache mode after reset: what the disk does by itself, and write-through without flush (§5.2.5.2).</summary>
    private void ResetCacheMode()
    {
        bool canFlush = Features.IsEmpty || HasFeature(BlockFeatures.Flush);
        _isWriteback = canFlush && !_backend.Traits.IsWriteThrough;
        ApplyCacheMode();
    }

    /// <summary>
    /// With CONFIG_WCE the driver decides; else a driver that cannot flush is given write-through, as the first case of §5.2.6.2
    /// asks, and one that can is trusted to.
    /// </summary>
    private void ApplyCacheMode() =>
        _isWriteThrough = HasFeature(BlockFeatures.ConfigWriteback) ? !_isWriteback : !HasFeature(BlockFeatures.Flush);

    private BlockConfig MakeConfig()
    {
        BlockTraits traits = _backend.Traits;
        long sectors = _backend.CapacitySectors;
        BlockConfig config = new()
        {
            Capacity = (ulong)sectors,
            SizeMax = (uint)_options.SegmentBytesMax,
            SegMax = (uint)_options.SegmentsMax,
            BlkSize = (uint)traits.LogicalBlockBytes,
            PhysicalBlockExp = (byte)BitOperations.Log2((uint)(traits.PhysicalBlockBytes / traits.LogicalBlockBytes)),
            MinIoSize = (ushort)Math.Min(traits.PhysicalBlockBytes / traits.LogicalBlockBytes, ushort.MaxValue),
            OptIoSize = (uint)(traits.OptimalTransferBytes / traits.LogicalBlockBytes),
            Writeback = _isWriteback ? (byte)1 : (byte)0,
            NumQueues = (ushort)_options.QueueCount,
        };
        SetGeometry(ref config, sectors);
        if (traits.Discard is { } discard)
        {
            config.MaxDiscardSectors = ToSectors(discard.LengthBytesMax, traits);
            config.MaxDiscardSeg = RangesMax;
            config.DiscardSectorAlignment = (uint)(discard.AlignmentBytes / SectorBytes);
        }

        if (traits.WriteZeroes is { } zeroes)
        {
            config.MaxWriteZeroesSectors = ToSectors(zeroes.LengthBytesMax, traits);
            config.MaxWriteZeroesSeg = RangesMax;
            config.WriteZeroesMayUnmap = traits.WriteZeroesMayUnmap ? (byte)1 : (byte)0;
        }

        if (traits.SecureErase is { } erase)
        {
            config.MaxSecureEraseSectors = ToSectors(erase.LengthBytesMax, traits);
            config.MaxSecureEraseSeg = RangesMax;
            config.SecureEraseSectorAlignment = (uint)(erase.AlignmentBytes / SectorBytes);
        }

        if (_backend.Zones is { } zones && (Features.IsEmpty || HasFeature(BlockFeatures.Zoned)))
        {
            config.Zoned = MakeZonedConfig(zones.Traits);
        }

        return config;
    }

    private BlockZonedConfig MakeZonedConfig(BlockZoneTraits zones) =>
        zones.Model == BlockZoneModel.None
            ? default
            : new()
            {
                ZoneSectors = zones.ZoneSectors,
                MaxOpenZones = zones.OpenZonesMax,
                MaxActiveZones = zones.ActiveZonesMax,
                MaxAppendSectors = AppendSectorsMax,
                WriteGranularity = zones.WriteGranularityBytes,
                Model = (byte)zones.Model,
            };

    /// <summary>The geometry of a disk that never had one: 16 heads, 63 sectors, as many cylinders as there are room for.</summary>
    private static void SetGeometry(ref BlockConfig config, long sectors)
    {
        const int Heads = 16;
        const int SectorsPerTrack = 63;
        config.Heads = Heads;
        config.Sectors = SectorsPerTrack;
        config.Cylinders = (ushort)Math.Min(sectors / (Heads * SectorsPerTrack), ushort.MaxValue);
    }

    /// <summary>A length as the driver is told it: whole logical blocks, in sectors, in 32 bits.</summary>
    private static uint ToSectors(long lengthBytes, BlockTraits traits)
    {
        uint sectorsPerBlock = (uint)traits.LogicalBlockBytes / SectorBytes;
        uint sectors = (uint)Math.Min(lengthBytes / SectorBytes, uint.MaxValue);
        return sectors - sectors % sectorsPerBlock;
    }
}
