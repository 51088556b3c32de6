using Vireo.Core.Memory;

namespace Vireo.Devices.Block;

/// <summary>The way from one queue to its disk.</summary>
/// <remarks>
/// <para>
/// All requests are made on the queue's loop, and each is answered exactly once on that loop through
/// <see cref="IBlockCompletions"/>: during the call, or later. No method throws. Requests may complete in any order; a driver
/// that has ordered two of them has waited for the first.
/// </para>
/// <para>
/// The device has checked that ranges lie on the disk, are aligned to the logical block and that a read-only disk is not written.
/// Segments lie in pinned memory and stay there until the request completes; no segment is empty. A channel may cut them down while it
/// works, and has put them back when it completes. The bytes behind them are the driver's, which may change them at any time.
/// </para>
/// </remarks>
public interface IBlockChannel : IDisposable
{
    /// <summary>
    /// Tells in which memory the segments of all requests lie, so that it can be made known to the kernel beforehand. Called once at
    /// most, before the first request and before the queue's loop uses the channel.
    /// </summary>
    /// <param name="memory">The memory; stays as it is until the channel is disposed.</param>
    void UseMemory(GuestMemory memory) { }

    /// <summary>Reads.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="destination">Filled entirely when the result is Done. At least one segment.</param>
    /// <param name="offsetBytes">First byte on the disk.</param>
    void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes);

    /// <summary>Writes.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="source">The bytes. At least one segment.</param>
    /// <param name="offsetBytes">First byte on the disk.</param>
    /// <param name="isStable">Whether the bytes must be on stable storage when the request completes.</param>
    void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable);

    /// <summary>Makes everything stable that was completed on any channel before this call.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    void Flush(uint tag);

    /// <summary>Forgets a range, whose contents are undefined afterwards. Only where the traits offer it.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="offsetBytes">First byte on the disk.</param>
    /// <param name="lengthBytes">Length in bytes, at least one block and at most what the traits say.</param>
    void Discard(uint tag, long offsetBytes, long lengthBytes);

    /// <summary>Makes a range read as zeroes. Only where the traits offer it.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="offsetBytes">First byte on the disk.</param>
    /// <param name="lengthBytes">Length in bytes, at least one block and at most what the traits say.</param>
    /// <param name="mayUnmap">Whether the storage behind it may be freed; if not, later writes must not fail for want of room.</param>
    void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap);

    /// <summary>Forgets a range and every copy of it. Only where the traits offer it.</summary>
    /// <param name="tag">Names the request; not in use by another.</param>
    /// <param name="offsetBytes">First byte on the disk.</param>
    /// <param name="lengthBytes">Length in bytes, at least one block and at most what the traits say.</param>
    void SecureErase(uint tag, long offsetBytes, long lengthBytes);

    /// <summary>The queue is stopping: requests that wait for time to pass or for a person go on, or fail, now.</summary>
    void BeginStop();
}
