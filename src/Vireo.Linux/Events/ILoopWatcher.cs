namespace Vireo.Linux.Events;

/// <summary>Told by a loop when a descriptor it watches is ready.</summary>
public interface ILoopWatcher
{
    /// <summary>Called on the loop's thread. Must not wait.</summary>
    /// <param name="watch">The watch that fired; it may be changed or disposed here.</param>
    /// <param name="events">What is ready; never <see cref="LoopEvents.EdgeTriggered"/>.</param>
    void OnEvents(LoopWatch watch, LoopEvents events);
}
