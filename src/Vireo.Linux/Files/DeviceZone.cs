using System.Runtime.InteropServices;

namespace Vireo.Linux.Files;

/// <summary>A zone of a block device as the kernel reports it; numbers are sectors of 512 bytes.</summary>
/// <param name="Start">The first sector.</param>
/// <param name="Capacity">How many sectors can be written.</param>
/// <param name="WritePointer">Where the next write goes; of no meaning where the condition has none.</param>
/// <param name="Type">A number of <c>enum blk_zone_type</c>, which are VIRTIO's.</param>
/// <param name="Condition">A number of <c>enum blk_zone_cond</c>, which are VIRTIO's.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DeviceZone(long Start, long Capacity, long WritePointer, byte Type, byte Condition);
