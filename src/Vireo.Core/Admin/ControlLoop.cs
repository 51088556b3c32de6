using Vireo.Core.Contract;

namespace Vireo.Core.Admin;

/// <summary>Runs one handler on the thread that kicks it: the control thread, where a driver's kick is a register write.</summary>
/// <remarks>Only for handlers that complete every chain at once. One control thread.</remarks>
internal sealed class ControlLoop : IQueueLoop, ISignal
{
    /// <summary>How many turns one kick is worth at most, so that a driver that goes on adding does not hold the thread.</summary>
    private const int TurnsMax = 16;

    private QueueHandler? _handler;

    /// <inheritdoc/>
    public void Start(QueueHandler handler, ISignal? kick)
    {
        Invariant.That(_handler is null);
        _handler = handler;
        Notify();
    }

    /// <inheritdoc/>
    public void Stop(QueueHandler handler)
    {
        if (_handler == handler)
        {
            _handler = null;
            handler.BeginStop();
            handler.Run();
        }
    }

    /// <inheritdoc/>
    public void Activate(QueueHandler handler) => Notify();

    /// <summary>Runs the handler, as long as it has work.</summary>
    public void Notify()
    {
        for (int turn = 0; turn < TurnsMax && _handler is { } handler; turn++)
        {
            handler.Run();
            // Arming asks for a kick in any case; what has come meanwhile is taken now.
            if (handler.TryArm())
            {
                return;
            }
        }
    }
}
