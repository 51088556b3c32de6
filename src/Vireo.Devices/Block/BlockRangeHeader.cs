using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>One range of a discard or write zeroes request (VIRTIO 1.4 §5.2.6).</summary>
[CTwin("struct virtio_blk_discard_write_zeroes", "linux/virtio_blk.h")]
[StructLayout(LayoutKind.Sequential)]
internal readonly struct BlockRangeHeader
{
    /// <summary>The flag that lets write zeroes free storage.</summary>
    public const uint Unmap = 1;

    /// <summary>First sector of 512 bytes.</summary>
    [CField("sector")]
    public readonly Le64 Sector;

    /// <summary>How many sectors.</summary>
    [CField("num_sectors")]
    public readonly Le32 SectorCount;

    /// <summary><see cref="Unmap"/>, or nothing; all other bits are reserved.</summary>
    [CField("flags")]
    public readonly Le32 Flags;

    /// <summary>Makes a range, for drivers.</summary>
    public BlockRangeHeader(ulong sector, uint sectorCount, uint flags)
    {
        Sector = sector;
        SectorCount = sectorCount;
        Flags = flags;
    }
}
