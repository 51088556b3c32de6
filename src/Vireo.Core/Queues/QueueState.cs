namespace Vireo.Core.Queues;

/// <summary>Where a stopped queue stands: all a device must know to go on with the same ring elsewhere.</summary>
/// <remarks>
/// For a split ring the used index is also in the ring's memory and is read from there; the wrap counters are those of
/// packed rings and are not used by split ones.
/// </remarks>
/// <param name="AvailableIndex">The next entry (split) or descriptor (packed) that the device would take.</param>
/// <param name="UsedIndex">The next entry (split) or descriptor (packed) that the device would write.</param>
/// <param name="AvailableWrap">Packed: the driver's wrap counter at <paramref name="AvailableIndex"/>.</param>
/// <param name="UsedWrap">Packed: the device's wrap counter at <paramref name="UsedIndex"/>.</param>
public readonly record struct QueueState(
    ushort AvailableIndex,
    ushort UsedIndex,
    bool AvailableWrap = true,
    bool UsedWrap = true
)
{
    /// <summary>A queue that has never run: both indices 0, both wrap counters 1 (VIRTIO 1.4 §2.8.1).</summary>
    public static QueueState Fresh => new(0, 0);
}
