using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Core.Contract;

/// <summary>All that is needed to run one queue: resources, not a finished ring, so that proxies can hand them on.</summary>
/// <param name="Index">Which queue of the device.</param>
/// <param name="Areas">The ring in guest memory.</param>
/// <param name="State">Where to begin.</param>
/// <param name="Kick">Announces available buffers; null where the device must look at the ring without being told.</param>
/// <param name="Call">Announces used buffers; null where the driver looks at the ring without being told.</param>
/// <param name="Inflight">Where to record the chains in flight, and where those of a predecessor stand; usually null.</param>
/// <param name="Log">Where to record writes into the ring while the driver's memory is being migrated; usually null.</param>
/// <param name="Memory">Where ring and buffers lie, if not in the memory that the device is attached to; usually null.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct QueueSetup(
    int Index,
    QueueAreas Areas,
    QueueState State,
    ISignal? Kick,
    ISignal? Call,
    InflightRegion? Inflight = null,
    RingLog? Log = null,
    GuestMemory? Memory = null
);
