using Vireo.Core.Queues;

namespace Vireo.Homes.Loopback;

/// <summary>What a <see cref="LoopbackHome"/> keeps for each queue.</summary>
internal sealed class LoopbackQueue
{
    public LoopbackQueue(QueueAreas areas, IndirectTables? tables, InlineKick kick, CallCounter calls)
    {
        Areas = areas;
        Tables = tables;
        Kick = kick;
        Calls = calls;
    }

    /// <summary>The ring in guest memory.</summary>
    public QueueAreas Areas { get; }

    /// <summary>Where the driver keeps its indirect tables.</summary>
    public IndirectTables? Tables { get; }

    /// <summary>Gives the device's handler a turn.</summary>
    public InlineKick Kick { get; }

    /// <summary>Counts the device's calls.</summary>
    public CallCounter Calls { get; }

    /// <summary>The driver side; made anew at each start.</summary>
    public DriverQueue? Driver { get; set; }

    /// <summary>The fault that the device reported for the queue since its start.</summary>
    public QueueFault Fault { get; set; }
}
