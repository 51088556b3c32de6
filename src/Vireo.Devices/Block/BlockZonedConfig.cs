using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>What the configuration space says of zones (<c>struct virtio_blk_zoned_characteristics</c>, VIRTIO 1.4 §5.2.4).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BlockZonedConfig
{
    /// <summary>Size of a zone in sectors of 512 bytes.</summary>
    public Le32 ZoneSectors;

    /// <summary>How many zones may be open at once; 0 for no limit.</summary>
    public Le32 MaxOpenZones;

    /// <summary>How many zones may be active at once; 0 for no limit.</summary>
    public Le32 MaxActiveZones;

    /// <summary>The largest zone append in sectors; 0 when there is none.</summary>
    public Le32 MaxAppendSectors;

    /// <summary>Alignment of writes to sequential zones, in bytes.</summary>
    public Le32 WriteGranularity;

    /// <summary>0 not zoned for the driver, 1 host-managed, 2 host-aware.</summary>
    public byte Model;

    /// <summary>Padding, zero.</summary>
    public byte Unused0;

    /// <summary>Padding, zero.</summary>
    public byte Unused1;

    /// <summary>Padding, zero.</summary>
    public byte Unused2;
}
