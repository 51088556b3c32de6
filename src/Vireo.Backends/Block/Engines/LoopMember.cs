using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Engines;

/// <summary>Work of a channel that lives on its queue's loop, from a start to an end that any thread may ask for.</summary>
internal abstract class LoopMember : LoopTask, IDisposable
{
    private readonly EventLoop _loop;

    /// <summary>Whether it has ended, perhaps before it could join.</summary>
    private bool _isStopped;

    private protected LoopMember(EventLoop loop) => _loop = loop;

    /// <summary>Joins the loop: before the next turn of anything that is started after this call. Any thread.</summary>
    public void Start()
    {
        if (_loop.IsCurrentThread)
        {
            Join();
        }
        else
        {
            _loop.Post(Join);
        }
    }

    /// <summary>Leaves the loop and releases what it holds. Nothing may be on its way. Any thread but another loop's.</summary>
    public void Dispose()
    {
        if (_loop.IsRunning)
        {
            _loop.Invoke(Stop);
        }
        else
        {
            Stop();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>It has joined its loop. On the loop's thread.</summary>
    private protected virtual void OnStarted(EventLoop loop) { }

    /// <summary>It has left its loop. On the loop's thread, or while the loop does not run.</summary>
    private protected virtual void OnStopped() { }

    private void Join()
    {
        if (!_isStopped)
        {
            _loop.Add(this);
            OnStarted(_loop);
            Activate();
        }
    }

    private void Stop()
    {
        _isStopped = true;
        _loop.Remove(this);
        OnStopped();
    }
}
