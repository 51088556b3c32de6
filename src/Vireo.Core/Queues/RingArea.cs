using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>One of the three areas of a ring, as the specification describes it and before it was found in this process.</summary>
/// <param name="Name">What the specification calls it; for messages.</param>
/// <param name="Address">Guest address of the first byte.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
/// <param name="Alignment">What the address is a multiple of.</param>
/// <param name="Access">How the side that asks will use it.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RingArea(
    string Name,
    GuestAddress Address,
    int LengthBytes,
    int Alignment,
    MemoryAccess Access
)
{
    /// <summary>The descriptor table of a split ring, or the descriptor ring of a packed one.</summary>
    public static RingArea Descriptors(in QueueAreas areas, MemoryAccess access) =>
        new(
            "descriptor area",
            areas.Descriptors,
            SplitRing.DescriptorBytes(areas.Size),
            SplitRing.DescriptorAlignment,
            access
        );

    /// <summary>The available ring of a split ring.</summary>
    public static RingArea Available(in QueueAreas areas, MemoryAccess access) =>
        new("available ring", areas.Driver, SplitRing.AvailableBytes(areas.Size), SplitRing.AvailableAlignment, access);

    /// <summary>The used ring of a split ring.</summary>
    public static RingArea Used(in QueueAreas areas) =>
        new(
            "used ring",
            areas.Device,
            SplitRing.UsedBytes(areas.Size),
            SplitRing.UsedAlignment,
            MemoryAccess.ReadWrite
        );

    /// <summary>The driver's event suppression of a packed ring.</summary>
    public static RingArea DriverEvents(in QueueAreas areas, MemoryAccess access) =>
        new("driver event suppression", areas.Driver, PackedEvents.LengthBytes, PackedEvents.Alignment, access);

    /// <summary>The device's event suppression of a packed ring.</summary>
    public static RingArea DeviceEvents(in QueueAreas areas) =>
        new(
            "device event suppression",
            areas.Device,
            PackedEvents.LengthBytes,
            PackedEvents.Alignment,
            MemoryAccess.ReadWrite
        );
}
