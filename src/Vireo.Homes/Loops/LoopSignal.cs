using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>A kick that needs no descriptor: it lets the queue's handler run on its loop.</summary>
/// <remarks>For kicks that come as messages, and for drivers in the same process. Any thread may notify.</remarks>
public sealed class LoopSignal : ISignal
{
    /// <summary>The task to run; null while no queue uses the signal.</summary>
    private volatile LoopTask? _task;

    /// <inheritdoc/>
    /// <remarks>Without a queue nothing happens: a queue looks at its ring when it starts, whatever came before.</remarks>
    public void Notify() => _task?.Activate();

    internal void Attach(LoopTask task) => _task = task;

    internal void Detach() => _task = null;
}
