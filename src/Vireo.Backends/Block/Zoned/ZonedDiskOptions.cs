namespace Vireo.Backends.Block.Zoned;

/// <summary>How a disk is divided into zones.</summary>
public sealed record ZonedDiskOptions
{
    /// <summary>Size of each zone in sectors of 512 bytes: a power of two, at least one write granularity. 256 MiB unless stated otherwise.</summary>
    public uint ZoneSectors { get; init; } = 512 * 1024;

    /// <summary>How many sectors of a sequential zone can be written; 0 for all of them.</summary>
    public uint ZoneCapacitySectors { get; init; }

    /// <summary>How many zones, from the first, are conventional.</summary>
    public int ConventionalZones { get; init; }

    /// <summary>How many zones may be open at once; 0 for no limit.</summary>
    public uint OpenZonesMax { get; init; } = 14;

    /// <summary>How many zones may be open or closed at once; 0 for no limit. Not fewer than may be open.</summary>
    public uint ActiveZonesMax { get; init; } = 14;

    /// <summary>The largest zone append in sectors; 0 when there is none.</summary>
    public uint AppendSectorsMax { get; init; } = 8192;

    /// <summary>Where the state of the zones is kept: a file that is made when it is not there. Null keeps it only in memory.</summary>
    public string? StatePath { get; init; }
}
