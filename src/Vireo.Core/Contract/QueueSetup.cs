using System.Runtime.InteropServices;
using Vireo.Core.Queues;

namespace Vireo.Core.Contract;

/// <summary>All that is needed to run one queue: resources, not a finished ring, so that proxies can hand them on.</summary>
/// <param name="Index">Which queue of the device.</param>
/// <param name="Areas">The ring in guest memory.</param>
/// <param name="State">Where to begin.</param>
/// <param name="Kick">Announces available buffers; null where the device must look at the ring without being told.</param>
/// <param name="Call">Announces used buffers; null where the driver looks at the ring without being told.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct QueueSetup(int Index, QueueAreas Areas, QueueState State, ISignal? Kick, ISignal? Call);
