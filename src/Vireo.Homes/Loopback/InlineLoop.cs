using Vireo.Core;
using Vireo.Core.Contract;

namespace Vireo.Homes.Loopback;

/// <summary>A queue loop without a thread: handlers run when the owner says so, in the order in which they got work.</summary>
/// <remarks>Deterministic: the same calls give the same turns. Used by one thread.</remarks>
internal sealed class InlineLoop : IQueueLoop
{
    /// <summary>More turns in one run mean that a handler finds work for ever.</summary>
    private const int TurnsMax = 1 << 24;

    /// <summary>Handlers that have work, oldest first; each at most once.</summary>
    private readonly Queue<QueueHandler> _ready = new();

    private readonly HashSet<QueueHandler> _running = [];
    private readonly Action? _waitForBackend;

    public InlineLoop(Action? waitForBackend) => _waitForBackend = waitForBackend;

    /// <inheritdoc/>
    public void Start(QueueHandler handler, ISignal? kick)
    {
        _running.Add(handler);
        if (kick is InlineKick inline)
        {
            inline.Handler = handler;
        }

        Activate(handler);
    }

    /// <inheritdoc/>
    public void Stop(QueueHandler handler)
    {
        if (!_running.Contains(handler))
        {
            return;
        }

        handler.BeginStop();
        handler.Run();
        while (handler.IsBusy)
        {
            if (_waitForBackend is null)
            {
                throw new InvalidOperationException(
                    $"queue {handler.QueueIndex} is stopped with requests in flight, and nothing was given that completes them"
                );
            }

            _waitForBackend();
            handler.Run();
        }

        _running.Remove(handler);
    }

    /// <inheritdoc/>
    public void Activate(QueueHandler handler)
    {
        if (_running.Contains(handler) && !_ready.Contains(handler))
        {
            _ready.Enqueue(handler);
        }
    }

    /// <summary>Gives turns until no handler has work.</summary>
    public void RunUntilIdle()
    {
        for (int turns = 0; _ready.TryDequeue(out QueueHandler? handler); turns++)
        {
            Invariant.That(turns < TurnsMax);
            if (_running.Contains(handler) && (handler.Run() || !handler.TryArm()))
            {
                Activate(handler);
            }
        }
    }
}
