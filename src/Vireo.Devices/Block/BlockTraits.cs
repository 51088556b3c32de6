namespace Vireo.Devices.Block;

/// <summary>What a backend says of its disk; does not change while the disk is open.</summary>
public sealed record BlockTraits
{
    /// <summary>Whether every write would fail.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>
    /// Logical block size in bytes: a power of two, 512 to 65,536. Every request the device passes on is aligned to it, in
    /// offset and in length.
    /// </summary>
    public int LogicalBlockBytes { get; init; } = BlockDevice.SectorBytes;

    /// <summary>Physical block size in bytes: a power of two, at least the logical one.</summary>
    public int PhysicalBlockBytes { get; init; } = BlockDevice.SectorBytes;

    /// <summary>The best length of a request in bytes; 0 when no length is better than others.</summary>
    public int OptimalTransferBytes { get; init; }

    /// <summary>Whether every write is on stable storage when it completes, so that the device starts as write-through.</summary>
    public bool IsWriteThrough { get; init; }

    /// <summary>What discard takes; null when there is no discard.</summary>
    public BlockRangeLimits? Discard { get; init; }

    /// <summary>What write zeroes takes; null when there is no write zeroes.</summary>
    public BlockRangeLimits? WriteZeroes { get; init; }

    /// <summary>What secure erase takes; null when there is no secure erase. The alignment is a rule.</summary>
    public BlockRangeLimits? SecureErase { get; init; }

    /// <summary>Whether write zeroes can free storage when it may.</summary>
    public bool WriteZeroesMayUnmap { get; init; }
}
