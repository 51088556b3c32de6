using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>Which counters of which queue are wanted (an element of <c>struct virtio_net_ctrl_queue_stats</c>, VIRTIO 1.4 §5.1.6.5.11).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NetStatisticsQuery
{
    /// <summary>Index of the queue.</summary>
    public Le16 QueueIndex;

    /// <summary>Ignored.</summary>
    public Le16 Reserved;

    /// <summary>Ignored.</summary>
    public Le32 Reserved2;

    /// <summary>The <see cref="NetStatisticsTypes"/>.</summary>
    public Le64 Types;
}
