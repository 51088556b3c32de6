namespace Vireo.Devices.Block;

/// <summary>Numbers of the block device's feature bits (VIRTIO 1.4 §5.2.3).</summary>
public static class BlockFeatures
{
    /// <summary>The largest segment is in <c>size_max</c>.</summary>
    public const int SizeMax = 1;

    /// <summary>The largest number of segments of a request is in <c>seg_max</c>.</summary>
    public const int SegmentsMax = 2;

    /// <summary>Cylinders, heads and sectors are in <c>geometry</c>.</summary>
    public const int Geometry = 4;

    /// <summary>The device is read-only.</summary>
    public const int ReadOnly = 5;

    /// <summary>The logical block size is in <c>blk_size</c>.</summary>
    public const int BlockSize = 6;

    /// <summary>The device takes flush requests.</summary>
    public const int Flush = 9;

    /// <summary>Alignment and sizes of good requests are in <c>topology</c>.</summary>
    public const int Topology = 10;

    /// <summary>The driver may switch between write-back and write-through in <c>writeback</c>.</summary>
    public const int ConfigWriteback = 11;

    /// <summary>The number of queues is in <c>num_queues</c>.</summary>
    public const int MultiQueue = 12;

    /// <summary>The device takes discard requests.</summary>
    public const int Discard = 13;

    /// <summary>The device takes write zeroes requests.</summary>
    public const int WriteZeroes = 14;

    /// <summary>The device tells how worn its storage is.</summary>
    public const int Lifetime = 15;

    /// <summary>The device takes secure erase requests.</summary>
    public const int SecureErase = 16;

    /// <summary>The device is divided into zones.</summary>
    public const int Zoned = 17;
}
