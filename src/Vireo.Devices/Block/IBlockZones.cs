namespace Vireo.Devices.Block;

/// <summary>The zones of a zoned disk.</summary>
/// <remarks>Any thread may call. The channels of such a disk are <see cref="IZonedBlockChannel"/>s.</remarks>
public interface IBlockZones
{
    /// <summary>What the zones have in common.</summary>
    BlockZoneTraits Traits { get; }

    /// <summary>Tells of the zones from one on.</summary>
    /// <param name="sector">A sector of the first zone to tell of; on the disk.</param>
    /// <param name="destination">Filled from its start.</param>
    /// <returns>How many zones were told of: fewer than there is room for at the end of the disk.</returns>
    int Report(long sector, Span<BlockZone> destination);
}
