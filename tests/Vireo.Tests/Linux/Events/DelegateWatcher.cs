using Vireo.Linux.Events;

namespace Vireo.Tests.Linux.Events;

/// <summary>Counts its calls and does what the test wants done.</summary>
internal sealed class DelegateWatcher(Action<LoopWatch, LoopEvents> action) : ILoopWatcher
{
    public int Calls { get; private set; }

    public void OnEvents(LoopWatch watch, LoopEvents events)
    {
        Calls++;
        action(watch, events);
    }
}
