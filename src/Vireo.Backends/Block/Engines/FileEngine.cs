using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Engines;

/// <summary>Carries out requests on a file for one queue, without waiting: a task of that queue's loop.</summary>
/// <remarks>Knows files and memory, no formats: what a short read means, or where a cluster lies, its user knows.</remarks>
internal abstract class FileEngine : LoopTask, IDisposable
{
    private readonly EventLoop _loop;

    /// <summary>Whether the engine has ended, perhaps before it could join.</summary>
    private bool _isStopped;

    private protected FileEngine(EventLoop loop) => _loop = loop;

    /// <summary>Begins a request. On the loop's thread; at most as many at once as the engine was made for.</summary>
    /// <param name="tag">Names the request; not in use by another, below the number the engine was made for.</param>
    /// <param name="request">The work.</param>
    public abstract void Submit(uint tag, in FileRequest request);

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

    /// <summary>Leaves the loop and releases what the engine holds. Nothing may be on its way. Any thread but another loop's.</summary>
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

    /// <summary>The engine has joined its loop. On the loop's thread.</summary>
    private protected virtual void OnStarted(EventLoop loop) { }

    /// <summary>The engine has left its loop. On the loop's thread, or while the loop does not run.</summary>
    private protected abstract void OnStopped();

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
