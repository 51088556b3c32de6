namespace Vireo.Linux.Events;

/// <summary>Work that a loop does in bounded turns for as long as there is some: a queue, a completion ring.</summary>
/// <remarks>
/// <code>
///            Activate                    Run = true
///   asleep ------------> active ------------------------.
///     ^                   |  ^                          |
///     |  TryArm = true    |  '--------------------------'
///     '-------------------'  TryArm = false: stays active
///       (nothing to do for the poll window)
/// </code>
/// A wake-up (a kick's eventfd, a ready descriptor) does nothing but <see cref="Activate"/>; the loop decides when the task
/// runs, and takes turns among all active ones, so that a busy task cannot starve its neighbours.
/// </remarks>
public abstract class LoopTask
{
    /// <summary>The loop the task was added to, or null. Written on the loop's thread.</summary>
    private EventLoop? _loop;

    /// <summary>1 while the task waits in the loop's list of activations from other threads.</summary>
    private int _isActivationPending;

    /// <summary>The loop the task runs on, or null while it is in none.</summary>
    public EventLoop? Loop => _loop;

    /// <summary>Place in the loop's list of active tasks; -1 while asleep. Loop's thread only.</summary>
    internal int ActiveIndex { get; set; } = -1;

    /// <summary>Whether the task was activated and has not had a turn since: it must not sleep before. Loop's thread only.</summary>
    internal bool IsTurnOwed { get; set; }

    /// <summary>Whether a turn did work since the loop last read the clock. Loop's thread only.</summary>
    internal bool HasWorked { get; set; }

    /// <summary>When a turn last did work, in ticks of Stopwatch. Loop's thread only.</summary>
    internal long LastWorkTicks { get; set; }

    /// <summary>The next task in the list of activations from other threads.</summary>
    internal LoopTask? NextActivation { get; set; }

    /// <summary>
    /// Wakes the task, and lets it have at least one turn that begins after this call, also when it is awake already. Any thread;
    /// nothing while the task is in no loop.
    /// </summary>
    public void Activate() => _loop?.Activate(this);

    /// <summary>Does a bounded amount of work. Called on the loop's thread; must not wait.</summary>
    /// <returns>True when there was some, false when there was nothing to do.</returns>
    protected internal abstract bool Run();

    /// <summary>
    /// Asks for wake-ups (of kicks, of completions) because the loop is about to sleep, then looks again: work that came
    /// before the request was seen would wake nobody.
    /// </summary>
    /// <returns>True when armed and still without work; false when work has appeared and the task stays active.</returns>
    protected internal abstract bool TryArm();

    internal void Join(EventLoop loop) => _loop = loop;

    internal void Leave() => _loop = null;

    /// <summary>Claims the one place a task has in the list of activations from other threads.</summary>
    /// <returns>False when it is in the list already.</returns>
    internal bool TryClaimActivation() =>
        // Full: what the caller wrote before Activate is seen by the loop that takes the task from the list.
        Interlocked.Exchange(ref _isActivationPending, 1) == 0;

    internal void EndActivation() =>
        // Full: released before the task runs, so that an activation during its turn is not lost.
        Interlocked.Exchange(ref _isActivationPending, 0);
}
