using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <content>Descriptors and timers.</content>
public sealed partial class EventLoop
{
    /// <summary>Events taken from the kernel at once.</summary>
    private const int EventsPerWait = 64;

    /// <summary>Bits of a watch's key that are its slot; the rest is a serial number.</summary>
    private const int SlotBits = 24;

    private const ulong SlotMask = (1UL << SlotBits) - 1;

    private readonly EpollBuffer _events = new(EventsPerWait);

    /// <summary>Room for the one event that epoll_ctl takes.</summary>
    private readonly EpollBuffer _control = new(1);

    private readonly List<LoopWatch?> _watches = [];
    private readonly Stack<int> _freeSlots = new();

    /// <summary>Makes every key unique, so that an event of a watch that ended cannot reach its slot's next one.</summary>
    private ulong _lastSerial;

    /// <summary>Reported events, and the first of them not yet handed to its watcher.</summary>
    private int _eventCount;
    private int _nextEvent;

    /// <summary>Watches a descriptor until the watch is disposed.</summary>
    /// <param name="handle">Any descriptor epoll takes (not a file or a directory). It stays the caller's.</param>
    /// <param name="events">What to watch for; errors and hang-ups are always reported.</param>
    /// <param name="watcher">Called on the loop's thread.</param>
    /// <exception cref="InvalidOperationException">Called off the thread of a running loop.</exception>
    /// <exception cref="LinuxException">
    /// EPERM: the descriptor cannot be watched; EEXIST: this loop watches it already; ENOSPC: the user's limit is reached.
    /// </exception>
    public LoopWatch Watch(SafeFileHandle handle, LoopEvents events, ILoopWatcher watcher)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentNullException.ThrowIfNull(watcher);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ThrowIfElsewhere();
        int slot = TakeSlot();
        _lastSerial++;
        LoopWatch watch = new(this, handle, watcher, events, (_lastSerial << SlotBits) | (uint)slot);
        try
        {
            Control(LibC.EPOLL_CTL_ADD, watch.Descriptor, events, watch.Key);
        }
        catch
        {
            _freeSlots.Push(slot);
            watch.Orphan();
            throw;
        }

        _watches[slot] = watch;
        return watch;
    }

    /// <summary>Starts a timer.</summary>
    /// <param name="due">Time to the first call; zero means at once, Timeout.InfiniteTimeSpan never.</param>
    /// <param name="period">Time between further calls; zero or Timeout.InfiniteTimeSpan for none.</param>
    /// <param name="action">Called on the loop's thread; once, however many periods have passed unseen.</param>
    /// <exception cref="ArgumentOutOfRangeException">A time is negative.</exception>
    /// <exception cref="InvalidOperationException">Called off the thread of a running loop.</exception>
    /// <exception cref="LinuxException">The process or the system has too many open files.</exception>
    public LoopTimer StartTimer(TimeSpan due, TimeSpan period, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        ThrowIfElsewhere();
        return new LoopTimer(this, due, period, action);
    }

    internal void ChangeWatch(LoopWatch watch, LoopEvents events)
    {
        ThrowIfElsewhere();
        Control(LibC.EPOLL_CTL_MOD, watch.Descriptor, events, watch.Key);
    }

    internal void EndWatch(LoopWatch watch)
    {
        ThrowIfElsewhere();
        int slot = SlotOf(watch.Key);
        Control(LibC.EPOLL_CTL_DEL, watch.Descriptor, LoopEvents.None, watch.Key);
        _watches[slot] = null;
        _freeSlots.Push(slot);
    }

    private static int SlotOf(ulong key) => (int)(key & SlotMask);

    private int TakeSlot()
    {
        if (_freeSlots.TryPop(out int slot))
        {
            return slot;
        }

        if (_watches.Count == (int)SlotMask)
        {
            throw new InvalidOperationException("The loop watches as many descriptors as it can.");
        }

        _watches.Add(null);
        return _watches.Count - 1;
    }

    // SAFETY: the kernel reads one event from a pinned buffer that holds one.
    private unsafe void Control(int operation, int descriptor, LoopEvents events, ulong key)
    {
        _control.Set(0, (uint)events, key);
        int result = LibC.epoll_ctl(_epoll, operation, descriptor, _control.Address);
        LinuxException.ThrowIfNegative(result, nameof(LibC.epoll_ctl));
    }

    /// <summary>Sleeps until something is ready or posted, then calls the watchers.</summary>
    private void WaitForEvents(int timeoutMs)
    {
        // Full: "asleep" must be seen by other threads before we look for their work for the last time; they write their
        // work before they look whether we sleep. One of the two sees the other.
        Interlocked.Exchange(ref _isAsleep, 1);
        // Acquire: pairs with MarkPending.
        bool hasWork = Volatile.Read(ref _isPending) != 0;
        PollEvents(hasWork ? 0 : timeoutMs);
    }

    // SAFETY: the kernel writes at most the stated number of events into a pinned buffer of that capacity.
    private unsafe void PollEvents(int timeoutMs)
    {
        long start = timeoutMs > 0 ? Environment.TickCount64 : 0;
        int leftMs = timeoutMs;
        int count;
        Errno error;
        do
        {
            count = LibC.epoll_wait(_epoll, _events.Address, _events.Capacity, leftMs);
            error = count < 0 ? LinuxException.LastError : Errno.None;
            if (error == Errno.EINTR && timeoutMs > 0)
            {
                leftMs = (int)Math.Max(timeoutMs - (Environment.TickCount64 - start), 0);
            }
        } while (error == Errno.EINTR); // The runtime stops threads by signals; that is no answer to whoever waits.

        // Release: from here on others need not wake us; nothing of ours has to be seen before.
        Volatile.Write(ref _isAsleep, 0);
        if (count < 0)
        {
            throw new LinuxException(error, nameof(LibC.epoll_wait));
        }

        _eventCount = count;
        _nextEvent = 0;
        DispatchEvents();
    }

    /// <summary>Calls the watchers of the reported events; goes on where an exception has interrupted it.</summary>
    private void DispatchEvents()
    {
        while (_nextEvent < _eventCount)
        {
            ulong key = _events.Get(_nextEvent, out uint events);
            _nextEvent++;
            // The wake descriptor is watched edge-triggered and never read: being awake was all it had to bring about.
            if (key != WakeKey && _watches[SlotOf(key)] is { } watch && watch.Key == key)
            {
                watch.Watcher.OnEvents(watch, (LoopEvents)events);
            }
        }
    }

    private void OrphanWatches()
    {
        foreach (LoopWatch? watch in _watches)
        {
            watch?.Orphan();
        }

        _watches.Clear();
    }
}
