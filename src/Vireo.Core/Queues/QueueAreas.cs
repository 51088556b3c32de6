using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>A ring in guest memory: its size and its three areas (VIRTIO 1.4 §2.6).</summary>
/// <param name="Size">Queue size in descriptors: 1 to 32768, for split rings a power of two.</param>
/// <param name="Descriptors">Descriptor area: the descriptor table, or the packed ring.</param>
/// <param name="Driver">Driver area: the available ring, or the driver's event suppression.</param>
/// <param name="Device">Device area: the used ring, or the device's event suppression.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct QueueAreas(
    ushort Size,
    GuestAddress Descriptors,
    GuestAddress Driver,
    GuestAddress Device
);
