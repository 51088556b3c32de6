using Vireo.Core.Memory;

namespace Vireo.Devices.Block;

/// <summary>The way from one queue to a zoned disk.</summary>
/// <remarks>As for <see cref="IBlockChannel"/>.</remarks>
public interface IZonedBlockChannel : IBlockChannel
{
    /// <summary>Does something with a zone.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="action">What.</param>
    /// <param name="offsetBytes">First byte of the zone as the driver named it, anywhere on the disk; 0 for all zones.</param>
    void ManageZone(uint tag, BlockZoneAction action, long offsetBytes);

    /// <summary>Writes at the write pointer of a zone.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="source">The bytes. At least one segment.</param>
    /// <param name="offsetBytes">First byte of the zone as the driver named it, anywhere on the disk.</param>
    /// <param name="isStable">Whether the bytes must be on stable storage when the request completes.</param>
    void Append(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable);

    /// <summary>Where an append that has been done was written.</summary>
    /// <param name="tag">The request, during its completion.</param>
    /// <returns>First byte on the disk.</returns>
    long AppendedOffsetOf(uint tag);
}
