namespace Vireo.Devices.Block;

/// <summary>What a zoned disk says of its zones (VIRTIO 1.4 §5.2.4); does not change while the disk is open.</summary>
public sealed record BlockZoneTraits
{
    /// <summary>The model.</summary>
    public BlockZoneModel Model { get; init; } = BlockZoneModel.HostManaged;

    /// <summary>Size of each zone in sectors of 512 bytes; the last may be smaller.</summary>
    public required uint ZoneSectors { get; init; }

    /// <summary>How many zones may be open at once; 0 for no limit.</summary>
    public uint OpenZonesMax { get; init; }

    /// <summary>How many zones may be open or closed at once; 0 for no limit.</summary>
    public uint ActiveZonesMax { get; init; }

    /// <summary>The largest zone append in sectors; 0 when there is none.</summary>
    public uint AppendSectorsMax { get; init; }

    /// <summary>What offset and length of writes to sequential zones are multiples of, in bytes.</summary>
    public required uint WriteGranularityBytes { get; init; }
}
