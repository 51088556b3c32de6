using System.Runtime.InteropServices;

namespace Vireo.Core.Queues;

/// <summary>What a kick carries where NOTIFICATION_DATA was negotiated (VIRTIO 1.4 §2.9).</summary>
/// <remarks>For transports and drivers; a device may use it as a hint and must not rely on it, because it comes from the driver.</remarks>
/// <param name="Queue">The queue's index, or the configuration data that the device gave for it (NOTIF_CONFIG_DATA).</param>
/// <param name="NextOffset">
/// Where the next available entry will be written: bits 0 to 14 of the available index (split), or the position in the ring (packed).
/// </param>
/// <param name="NextWrap">Bit 15 of the available index (split), or the driver's wrap counter at that position (packed).</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct NotificationData(ushort Queue, ushort NextOffset, bool NextWrap)
{
    private const int OffsetShift = 16;
    private const int WrapShift = 31;
    private const uint OffsetMask = 0x7fff;

    /// <summary>The word that is written to the notification address: queue, then offset, then wrap, from bit 0 up.</summary>
    public uint Value => Queue | (NextOffset & OffsetMask) << OffsetShift | (NextWrap ? 1u << WrapShift : 0);

    /// <summary>Takes a word apart that a driver wrote.</summary>
    /// <param name="value">The word; any value is possible.</param>
    public static NotificationData Parse(uint value) =>
        new((ushort)(value & ushort.MaxValue), (ushort)(value >> OffsetShift & OffsetMask), value >> WrapShift != 0);
}
