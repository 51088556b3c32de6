using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>How a report of zones begins (<c>struct virtio_blk_zone_report</c>, VIRTIO 1.4 §5.2.6).</summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal readonly struct BlockZoneReportHeader
{
    /// <summary>Length with its reserved bytes.</summary>
    public const int SizeBytes = 64;

    /// <summary>How many descriptors follow.</summary>
    public readonly Le64 ZoneCount;

    /// <summary>Makes a header.</summary>
    public BlockZoneReportHeader(ulong zoneCount) => ZoneCount = zoneCount;
}
