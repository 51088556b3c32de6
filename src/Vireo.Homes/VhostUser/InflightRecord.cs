using Vireo.Core.Queues;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <summary>The file in which requests in flight are recorded, one part for each queue, so that a successor can go on.</summary>
/// <remarks>The front-end keeps the file while this process comes and goes.</remarks>
internal sealed class InflightRecord : IDisposable
{
    private readonly GuardedMapping _mapping;
    private readonly InflightDescription _description;

    /// <summary>Takes a record over.</summary>
    /// <param name="mapping">The file's range, which becomes this object's.</param>
    /// <param name="description">How many queues of which size it is for.</param>
    public InflightRecord(GuardedMapping mapping, InflightDescription description)
    {
        _mapping = mapping;
        _description = description;
    }

    /// <summary>How long a record is.</summary>
    /// <param name="description">How many queues of which size it is for.</param>
    /// <param name="isPacked">Whether the rings are packed.</param>
    public static ulong LengthBytes(InflightDescription description, bool isPacked) =>
        (ulong)InflightRegion.RequiredBytes(description.QueueSize, isPacked) * description.QueueCount;

    /// <summary>The part of one queue.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="isPacked">Whether its ring is packed.</param>
    /// <returns>Null for a queue that the record has no part for.</returns>
    public InflightRegion? RegionOf(int index, bool isPacked)
    {
        ulong bytes = (ulong)InflightRegion.RequiredBytes(_description.QueueSize, isPacked);
        ulong offset = (ulong)index * bytes;
        bool isInside = index < _description.QueueCount && offset + bytes <= _mapping.Length;
        return isInside ? new InflightRegion(_mapping.Address + (nint)offset, bytes) : null;
    }

    /// <summary>Unmaps the record. No queue runs.</summary>
    public void Dispose() => _mapping.Dispose();
}
