namespace Vireo.Linux.Native;

/// <summary>linux/blkzoned.h.</summary>
[CHeader("linux/blkzoned.h")]
internal static partial class LibC
{
    /// <summary>Says that the zones of a report have capacities.</summary>
    internal const uint BLK_ZONE_REP_CAPACITY = 1;

    internal static readonly uint BLKREPORTZONE = Ioctl.IoReadWrite<blk_zone_report>(BlockFamily, 130);
    internal static readonly uint BLKRESETZONE = Ioctl.IoWrite<blk_zone_range>(BlockFamily, 131);
    internal static readonly uint BLKOPENZONE = Ioctl.IoWrite<blk_zone_range>(BlockFamily, 134);
    internal static readonly uint BLKCLOSEZONE = Ioctl.IoWrite<blk_zone_range>(BlockFamily, 135);
    internal static readonly uint BLKFINISHZONE = Ioctl.IoWrite<blk_zone_range>(BlockFamily, 136);
}
