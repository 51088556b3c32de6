namespace Vireo.Core.Spec;

/// <summary>Sizes, offsets and flags of the areas of a split virtqueue (VIRTIO 1.4 §2.7).</summary>
public static class SplitRing
{
    /// <summary>The largest queue size (§2.7).</summary>
    public const int SizeMax = 32768;

    /// <summary>Alignment of the descriptor table, in bytes.</summary>
    public const int DescriptorAlignment = 16;

    /// <summary>Alignment of the available ring (driver area), in bytes.</summary>
    public const int AvailableAlignment = 2;

    /// <summary>Alignment of the used ring (device area), in bytes.</summary>
    public const int UsedAlignment = 4;

    /// <summary>Byte offset of flags in the available and used rings.</summary>
    public const int FlagsOffset = 0;

    /// <summary>Byte offset of the index in the available and used rings.</summary>
    public const int IndexOffset = 2;

    /// <summary>Byte offset of the entries in the available and used rings.</summary>
    public const int EntriesOffset = 4;

    /// <summary>Flag of the available ring: the driver does not want calls.</summary>
    public const ushort NoInterrupt = 1;

    /// <summary>Flag of the used ring: the device does not want kicks.</summary>
    public const ushort NoNotify = 1;

    /// <summary>Bytes of the descriptor table of a queue.</summary>
    /// <param name="size">Queue size, 1 to <see cref="SizeMax"/>.</param>
    public static int DescriptorBytes(int size) => 16 * size;

    /// <summary>Bytes of the available ring of a queue, the used_event field included.</summary>
    /// <param name="size">Queue size, 1 to <see cref="SizeMax"/>.</param>
    public static int AvailableBytes(int size) => 6 + 2 * size;

    /// <summary>Bytes of the used ring of a queue, the avail_event field included.</summary>
    /// <param name="size">Queue size, 1 to <see cref="SizeMax"/>.</param>
    public static int UsedBytes(int size) => 6 + 8 * size;
}
