using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>What a device queue is made of beside its ring.</summary>
/// <param name="Memory">The driver's memory.</param>
/// <param name="Features">The negotiated features.</param>
/// <param name="Inflight">Where to record the chains in flight, if anywhere.</param>
/// <param name="Log">Where to record writes into the ring, if anywhere.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RingResources(
    GuestMemory Memory,
    FeatureSet Features,
    InflightRegion? Inflight,
    RingLog? Log
);
