using Vireo.Linux.Events;

namespace Vireo.Tests.Linux.Events;

/// <summary>Counts its calls.</summary>
internal sealed class CountingWatcher : ILoopWatcher
{
    public int Calls { get; private set; }

    public LoopEvents LastEvents { get; private set; }

    public void OnEvents(LoopWatch watch, LoopEvents events)
    {
        Calls++;
        LastEvents = events;
    }
}
