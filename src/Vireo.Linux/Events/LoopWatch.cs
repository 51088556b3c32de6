using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Events;

/// <summary>One descriptor watched by a loop. Dispose to stop watching; the descriptor stays its owner's.</summary>
/// <remarks>
/// <para>
/// Holds a reference on the descriptor: when the owner disposes it first, it is closed in truth when the watch ends. Without
/// that, epoll would go on reporting a file that a peer still has open, under a number that may mean another file by then.
/// </para>
/// <para>Used on the loop's thread only, or while the loop does not run.</para>
/// </remarks>
public sealed class LoopWatch : IDisposable
{
    private EventLoop? _loop;

    internal LoopWatch(EventLoop loop, SafeFileHandle handle, ILoopWatcher watcher, LoopEvents events, ulong key)
    {
        _loop = loop;
        Handle = handle;
        Watcher = watcher;
        Events = events;
        Key = key;
        bool isHeld = false;
        handle.DangerousAddRef(ref isHeld);
        using DescriptorLease lease = new(handle);
        Descriptor = lease.Number;
    }

    /// <summary>The descriptor watched.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>What it is watched for.</summary>
    public LoopEvents Events { get; private set; }

    internal ILoopWatcher Watcher { get; }

    /// <summary>The descriptor's number, valid for as long as this watch holds its reference.</summary>
    internal int Descriptor { get; }

    /// <summary>What epoll reports for this watch: slot and generation.</summary>
    internal ulong Key { get; }

    /// <summary>Watches for something else from now on. Does nothing after Dispose.</summary>
    /// <param name="events">What to watch for.</param>
    /// <exception cref="InvalidOperationException">Called off the thread of a running loop.</exception>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Change(LoopEvents events)
    {
        if (_loop is null || events == Events)
        {
            return;
        }

        _loop.ChangeWatch(this, events);
        Events = events;
    }

    /// <summary>Stops watching: nothing is reported any more, not even what the kernel has reported already.</summary>
    /// <exception cref="InvalidOperationException">Called off the thread of a running loop.</exception>
    public void Dispose()
    {
        EventLoop? loop = _loop;
        if (loop is null)
        {
            return;
        }

        loop.EndWatch(this);
        Orphan();
    }

    /// <summary>Ends the watch without telling the loop: it is disposed itself, or the watch never came to be.</summary>
    internal void Orphan()
    {
        _loop = null;
        Handle.DangerousRelease();
    }
}
