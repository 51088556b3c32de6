using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Homes.Loops;

namespace Vireo.Homes.Loopback;

/// <summary>What a <see cref="LoopbackHome"/> keeps for each queue.</summary>
internal sealed class LoopbackQueue : IDisposable
{
    private volatile QueueFault _fault;

    public LoopbackQueue(QueueAreas areas, IndirectTables? tables, IQueueLoop loop, ISignal kick)
    {
        Areas = areas;
        SizeMax = areas.Size;
        Tables = tables;
        Loop = loop;
        Kick = kick;
    }

    /// <summary>The ring in guest memory.</summary>
    public QueueAreas Areas { get; set; }

    /// <summary>For how many descriptors the ring has memory.</summary>
    public ushort SizeMax { get; }

    /// <summary>Where the driver keeps its indirect tables.</summary>
    public IndirectTables? Tables { get; }

    /// <summary>Runs the device's handler.</summary>
    public IQueueLoop Loop { get; }

    /// <summary>Gives the device's handler a turn; ours.</summary>
    public ISignal Kick { get; }

    /// <summary>Counts the device's calls.</summary>
    public CallCounter Calls { get; } = new();

    /// <summary>The driver side; made anew at each start.</summary>
    public DriverQueue? Driver { get; set; }

    /// <summary>The fault that the device reported for the queue since its start; set on the loop's thread.</summary>
    public QueueFault Fault
    {
        get => _fault;
        set => _fault = value;
    }

    /// <summary>Closes the kick; the queue has been stopped.</summary>
    public void Dispose()
    {
        (Kick as EventFdSignal)?.Descriptor.Dispose();
        Calls.Dispose();
    }
}
