using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>Runs queue handlers on the thread of an event loop.</summary>
/// <remarks>
/// A kick only wakes its handler's task; the loop gives the task turns of bounded length among those of its neighbours. Several
/// queue loops may share one event loop, which has to run, on a thread of its own, from the first start to the last stop.
/// </remarks>
public sealed class QueueLoop : IQueueLoop
{
    /// <summary>How long a stop may wait for requests in flight before the log says so; each further wait is twice as long.</summary>
    private static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(5);

    private readonly EventLoop _loop;
    private readonly ILogger _logger;

    /// <summary>The handlers that run here. Touched on the loop's thread only.</summary>
    private readonly Dictionary<QueueHandler, QueueTask> _tasks = new(ReferenceEqualityComparer.Instance);

    /// <summary>Makes a queue loop of an event loop.</summary>
    /// <param name="loop">The loop; stays the caller's.</param>
    /// <param name="logger">Where stops are reported; null for nowhere.</param>
    public QueueLoop(EventLoop loop, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(loop);
        _loop = loop;
        _logger = logger ?? NullLogger.Instance;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The kick is of a kind that a loop cannot wait for.</exception>
    /// <exception cref="Vireo.Linux.LinuxException">The kick's descriptor cannot be watched.</exception>
    public void Start(QueueHandler handler, ISignal? kick)
    {
        ArgumentNullException.ThrowIfNull(handler);
        _loop.Invoke(() => _tasks.Add(handler, QueueTask.Start(this, handler, kick)));
    }

    /// <inheritdoc/>
    /// <remarks>
    /// There is no limit to the wait: a request in flight may write to the driver's memory, so nothing may go on before it has
    /// ended. A wait of some seconds is reported in the log, because it means that a backend does not complete its requests.
    /// </remarks>
    public void Stop(QueueHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        QueueTask? task = null;
        _loop.Invoke(() =>
        {
            if (_tasks.TryGetValue(handler, out task))
            {
                task.BeginStop();
            }
        });
        if (task is null)
        {
            return;
        }

        TimeSpan patience = FirstPatience;
        TimeSpan waited = TimeSpan.Zero;
        while (!task.WaitForEnd(patience))
        {
            waited += patience;
            patience *= 2;
            LoopLog.StopIsSlow(_logger, handler.QueueIndex, waited.TotalSeconds);
        }

        task.Dispose();
        LoopLog.QueueStopped(_logger, handler.QueueIndex, handler.ChainsTaken, handler.UnreachableChains);
    }

    /// <inheritdoc/>
    public void Activate(QueueHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (_tasks.TryGetValue(handler, out QueueTask? task))
        {
            task.Activate();
        }
    }

    /// <summary>The event loop behind this.</summary>
    internal EventLoop EventLoop => _loop;

    /// <summary>A handler has ended. On the loop's thread.</summary>
    internal void Forget(QueueHandler handler) => _tasks.Remove(handler);
}
