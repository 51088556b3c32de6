using System.Diagnostics;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>One queue handler on one event loop, from the start of its queue to the stop.</summary>
internal sealed class QueueTask : LoopTask, ILoopWatcher, IDisposable
{
    private readonly QueueLoop _owner;
    private readonly EventLoop _loop;
    private readonly QueueHandler _handler;
    private readonly ISignal? _kick;
    private readonly ManualResetEventSlim _ended = new();

    /// <summary>Set for a kick that is a descriptor.</summary>
    private LoopWatch? _watch;

    private bool _isStopping;

    private QueueTask(QueueLoop owner, QueueHandler handler, ISignal? kick)
    {
        _owner = owner;
        _loop = owner.EventLoop;
        _handler = handler;
        _kick = kick;
    }

    /// <summary>Puts a handler on a loop and lets it look at its ring. On the loop's thread.</summary>
    public static QueueTask Start(QueueLoop owner, QueueHandler handler, ISignal? kick)
    {
        QueueTask task = new(owner, handler, kick);
        task._loop.Add(task);
        try
        {
            task.AttachKick();
        }
        catch
        {
            task._loop.Remove(task);
            task.Dispose();
            throw;
        }

        task.Activate();
        return task;
    }

    /// <summary>Lets the handler take no more chains, and end as soon as it holds none. On the loop's thread, once.</summary>
    public void BeginStop()
    {
        _isStopping = true;
        _handler.BeginStop();
        Activate();
    }

    /// <summary>Waits until the handler has ended; on the loop's own thread by giving the loop turns.</summary>
    /// <returns>False when it has not by the end of the time.</returns>
    public bool WaitForEnd(TimeSpan time)
    {
        if (!_loop.IsCurrentThread)
        {
            return _ended.Wait(time);
        }

        long begin = Stopwatch.GetTimestamp();
        while (!_ended.IsSet)
        {
            TimeSpan left = time - Stopwatch.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero)
            {
                return false;
            }

            _loop.RunNested(left);
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _ended.Dispose();

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (_kick is EventFdSignal { Descriptor: { IsPipe: true } pipe })
        {
            pipe.TryDrain();
        }

        _handler.NoteKick();
        Activate();
    }

    /// <inheritdoc/>
    protected override bool Run()
    {
        bool worked = _handler.Run();
        if (_isStopping && !_handler.IsBusy)
        {
            End();
        }

        return worked;
    }

    /// <inheritdoc/>
    // Without a kick there is nothing to arm: such a task has turns all the time, unless it waits for its last completions.
    protected override bool TryArm() => (_kick is not null || _isStopping) && _handler.TryArm();

    private void AttachKick()
    {
        switch (_kick)
        {
            case null:
                break;
            case LoopSignal local:
                local.Attach(this);
                break;
            case IDescriptorSignal signal:
                // Told once per signal, an eventfd needs no read at all. A pipe has to be emptied, or it would fill up.
                _watch = _loop.Watch(signal.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, this);
                break;
            default:
                throw new ArgumentException($"a loop cannot wait for a kick of type {_kick.GetType().Name}");
        }
    }

    private void End()
    {
        (_kick as LoopSignal)?.Detach();
        _watch?.Dispose();
        _loop.Remove(this);
        _owner.Forget(_handler);
        _ended.Set();
    }
}
