using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>The configuration space (<c>struct virtio_blk_config</c>, VIRTIO 1.4 §5.2.4).</summary>
/// <remarks>All sectors are of 512 bytes, whatever the logical block size. Padding stays zero (§5.2.5.2).</remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct BlockConfig
{
    /// <summary>Where <see cref="Writeback"/> lies: the one byte that a driver may write.</summary>
    public const int WritebackOffset = 32;

    /// <summary>Size of the disk in sectors.</summary>
    public Le64 Capacity;

    /// <summary>The largest segment in bytes.</summary>
    public Le32 SizeMax;

    /// <summary>The largest number of segments of a request.</summary>
    public Le32 SegMax;

    /// <summary>Cylinders of the geometry.</summary>
    public Le16 Cylinders;

    /// <summary>Heads of the geometry.</summary>
    public byte Heads;

    /// <summary>Sectors per track of the geometry.</summary>
    public byte Sectors;

    /// <summary>Logical block size in bytes.</summary>
    public Le32 BlkSize;

    /// <summary>Logical blocks per physical block, as a power of two.</summary>
    public byte PhysicalBlockExp;

    /// <summary>First aligned logical block.</summary>
    public byte AlignmentOffset;

    /// <summary>The smallest good request in logical blocks.</summary>
    public Le16 MinIoSize;

    /// <summary>The best request in logical blocks; 0 for none in particular.</summary>
    public Le32 OptIoSize;

    /// <summary>1 for write-back, 0 for write-through.</summary>
    public byte Writeback;

    /// <summary>Padding, zero.</summary>
    public byte Unused0;

    /// <summary>Number of queues.</summary>
    public Le16 NumQueues;

    /// <summary>The largest range of a discard, in sectors.</summary>
    public Le32 MaxDiscardSectors;

    /// <summary>The largest number of ranges of a discard.</summary>
    public Le32 MaxDiscardSeg;

    /// <summary>Alignment of good discards, in sectors.</summary>
    public Le32 DiscardSectorAlignment;

    /// <summary>The largest range of a write zeroes request, in sectors.</summary>
    public Le32 MaxWriteZeroesSectors;

    /// <summary>The largest number of ranges of a write zeroes request.</summary>
    public Le32 MaxWriteZeroesSeg;

    /// <summary>1 when write zeroes may free storage.</summary>
    public byte WriteZeroesMayUnmap;

    /// <summary>Padding, zero.</summary>
    public byte Unused1;

    /// <summary>Padding, zero.</summary>
    public byte Unused2;

    /// <summary>Padding, zero.</summary>
    public byte Unused3;

    /// <summary>The largest range of a secure erase, in sectors.</summary>
    public Le32 MaxSecureEraseSectors;

    /// <summary>The largest number of ranges of a secure erase.</summary>
    public Le32 MaxSecureEraseSeg;

    /// <summary>Alignment of secure erases, in sectors.</summary>
    public Le32 SecureEraseSectorAlignment;

    /// <summary>The zones.</summary>
    public BlockZonedConfig Zoned;
}
