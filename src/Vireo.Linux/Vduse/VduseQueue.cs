using System.Runtime.InteropServices;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vduse;

/// <summary>What a driver has set up for one queue of a VDUSE device (<c>struct vduse_vq_info</c>).</summary>
/// <param name="IsReady">Whether the driver wants the queue to run.</param>
/// <param name="Size">Descriptors; 0 when not said.</param>
/// <param name="Descriptors">Address of the descriptor area.</param>
/// <param name="Driver">Address of the driver area.</param>
/// <param name="Device">Address of the device area.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VduseQueue(bool IsReady, uint Size, ulong Descriptors, ulong Driver, ulong Device)
{
    /// <summary>Where a split ring is to begin.</summary>
    public VdusePosition Split { get; init; }

    /// <summary>Where a packed ring is to begin.</summary>
    public VdusePosition Packed { get; init; }

    internal static VduseQueue From(vduse_vq_info info) =>
        new(info.ready != 0, info.num, info.desc_addr, info.driver_addr, info.device_addr)
        {
            Split = new(IsPacked: false, info.split_avail_index),
            Packed = new(
                IsPacked: true,
                info.packed.last_avail_idx,
                info.packed.last_avail_counter != 0,
                info.packed.last_used_idx,
                info.packed.last_used_counter != 0
            ),
        };
}
