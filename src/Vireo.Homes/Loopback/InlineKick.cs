using Vireo.Core.Contract;

namespace Vireo.Homes.Loopback;

/// <summary>A kick that makes the queue's handler ready, and nothing more: turns are given by the home.</summary>
internal sealed class InlineKick : ISignal
{
    private readonly InlineLoop _loop;

    public InlineKick(InlineLoop loop) => _loop = loop;

    /// <summary>The handler of the queue that runs; null while none does.</summary>
    public QueueHandler? Handler { get; set; }

    /// <inheritdoc/>
    public void Notify()
    {
        if (Handler is { } handler)
        {
            handler.NoteKick();
            _loop.Activate(handler);
        }
    }
}
