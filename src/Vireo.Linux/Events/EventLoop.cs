using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>One thread's work: descriptors that become ready, timers, posted actions, and tasks that run in turns.</summary>
/// <remarks>
/// <para>One thread at a time calls <see cref="Run"/>; that thread is the loop's. Nothing here is shared with other threads but
/// <see cref="Post"/>, <see cref="Invoke"/>, <see cref="Stop"/> and <see cref="LoopTask.Activate"/>.</para>
/// <para>While tasks are active the loop does not sleep: it gives each a turn, over and over, and looks at the descriptors and
/// at posted work in between. When none has done work for <see cref="PollWindow"/>, each is armed and the loop sleeps in
/// epoll_wait until a descriptor, a timer or another thread wakes it.</para>
/// <code>
///   Run --> posted work --> active tasks? -- no --> sleep in epoll_wait --> watchers --.
///            ^                   | yes                                                 |
///            |                   v                                                     |
///            |               one turn each --> idle for the window? -- yes --> arm     |
///            |                   |                                              |      |
///            '-------------------+----------------------------------------------+------'
/// </code>
/// <para>No turn and no wake-up allocates.</para>
/// </remarks>
public sealed partial class EventLoop : IDisposable
{
    /// <summary>What epoll reports for the descriptor by which other threads wake the loop.</summary>
    private const ulong WakeKey = ulong.MaxValue;

    private readonly SafeFileHandle _epoll;
    private readonly EventFd _wake;

    /// <summary>Managed id of the thread in Run; 0 while none is.</summary>
    private int _threadId;

    /// <summary>1 from Stop until Run has returned.</summary>
    private int _isStopRequested;

    private bool _isDisposed;

    /// <summary>Makes a loop that does not run yet.</summary>
    /// <exception cref="LinuxException">The process or the system has too many open files.</exception>
    public EventLoop()
    {
        _epoll = LinuxException.ThrowIfInvalid(LibC.epoll_create1(LibC.EPOLL_CLOEXEC), nameof(LibC.epoll_create1));
        try
        {
            _wake = EventFd.Create();
            using DescriptorLease lease = new(_wake.Handle);
            Control(LibC.EPOLL_CTL_ADD, lease.Number, LoopEvents.Readable | LoopEvents.EdgeTriggered, WakeKey);
        }
        catch
        {
            _wake?.Dispose();
            _epoll.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Called with an exception that escaped from a watcher, a timer, a task or a posted action; the loop goes on when it
    /// returns. A task that threw is asleep by then. Null, the default, ends the process with the exception's text: a loop
    /// that lost one of its parts without a word would be worse. Set before the loop runs.
    /// </summary>
    public Action<Exception>? UnhandledException { get; set; }

    /// <summary>Whether the caller is the loop's thread.</summary>
    public bool IsCurrentThread => _threadId == Environment.CurrentManagedThreadId;

    /// <summary>Whether a thread is in <see cref="Run"/> or <see cref="RunOnce"/>. Any thread; out of date when it returns.</summary>
    // Acquire: what a thread that has left the loop did there is seen by whoever finds it gone.
    public bool IsRunning => Volatile.Read(ref _threadId) != 0;

    /// <summary>Makes the calling thread the loop's, and returns after <see cref="Stop"/>.</summary>
    /// <remarks>
    /// Before it returns, each action posted so far is run. A Stop that came before Run counts: Run then does just that.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The loop runs already, on this thread or another.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void Run()
    {
        Enter();
        try
        {
            // Acquire: what was done before Stop is seen by what runs after Run.
            while (Volatile.Read(ref _isStopRequested) == 0)
            {
                RunGuarded();
            }
        }
        finally
        {
            Leave();
            // Release: a Stop from now on is meant for the next Run.
            Volatile.Write(ref _isStopRequested, 0);
        }
    }

    /// <summary>One round on the calling thread: descriptors, posted work and one turn of each active task.</summary>
    /// <param name="timeout">How long to wait for something to do, in whole milliseconds (rounded up); Timeout.InfiniteTimeSpan
    /// for no limit. Active tasks or posted work mean no wait.</param>
    /// <exception cref="InvalidOperationException">The loop runs already, on this thread or another.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is negative, or longer than 24 days.</exception>
    public void RunOnce(TimeSpan timeout)
    {
        int timeoutMs = ToMilliseconds(timeout);
        Enter();
        try
        {
            RunRound(timeoutMs);
        }
#pragma warning disable CA1031 // JUSTIFICATION: whatever escapes goes to the hook; the loop decides nothing about it.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Report(exception);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>One round in the midst of another: for work on the loop's own thread that has to wait for the loop.</summary>
    /// <remarks>
    /// Posted work, watchers and tasks run inside the call, among them whoever is calling, if it is a task: only control work that
    /// cannot be cut in two should wait this way.
    /// </remarks>
    /// <param name="timeout">As for <see cref="RunOnce"/>.</param>
    /// <exception cref="InvalidOperationException">Called off the loop's thread.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is negative, or longer than 24 days.</exception>
    public void RunNested(TimeSpan timeout)
    {
        int timeoutMs = ToMilliseconds(timeout);
        if (!IsCurrentThread)
        {
            throw new InvalidOperationException("Only the loop's own thread can be inside a round.");
        }

        LoopTask? outer = _current;
        RunRound(timeoutMs);
        _current = outer;
    }

    /// <summary>Makes <see cref="Run"/> return soon. Any thread.</summary>
    public void Stop()
    {
        // Release: what the caller did before is seen by whoever continues after Run.
        Volatile.Write(ref _isStopRequested, 1);
        Notify();
    }

    /// <summary>Closes the loop. Watches and timers still open become dead; posted actions that never ran are dropped.</summary>
    /// <exception cref="InvalidOperationException">The loop runs.</exception>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        if (_threadId != 0)
        {
            throw new InvalidOperationException(
                "The loop runs; stop it and wait for Run to return before disposing it."
            );
        }

        _isDisposed = true;
        DropPosted();
        OrphanWatches();
        _wake.Dispose();
        _epoll.Dispose();
    }

    private static int ToMilliseconds(TimeSpan timeout)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            return -1;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
        double milliseconds = Math.Ceiling(timeout.TotalMilliseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(milliseconds, int.MaxValue, nameof(timeout));
        return (int)milliseconds;
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        // Full: takes the loop over from whichever thread ran it before, with all that thread wrote.
        int owner = Interlocked.CompareExchange(ref _threadId, Environment.CurrentManagedThreadId, 0);
        if (owner != 0)
        {
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"The loop runs already, on managed thread {owner}.")
            );
        }

        AcceptInvocations();
    }

    private void Leave()
    {
        FinishPosted();
        // Release: the next thread that enters sees what this one wrote.
        Volatile.Write(ref _threadId, 0);
    }

    /// <summary>Runs until Stop or until something throws.</summary>
    private void RunGuarded()
    {
        try
        {
            DispatchEvents();
            RunUntilStopped();
        }
#pragma warning disable CA1031 // JUSTIFICATION: as in RunOnce.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Report(exception);
        }
    }

    private void RunUntilStopped()
    {
        // Acquire: as in Run. One read per turn; it is in this core's cache until somebody stops the loop.
        while (Volatile.Read(ref _isStopRequested) == 0)
        {
            TakePending();
            if (_activeCount != 0)
            {
                RunActiveTasks();
            }
            else if (AdaptsPollWindow)
            {
                SleepAndLearn();
            }
            else
            {
                WaitForEvents(Timeout.Infinite);
            }
        }
    }

    private void RunRound(int timeoutMs)
    {
        DispatchEvents();
        TakePending();
        WaitForEvents(_activeCount == 0 ? timeoutMs : 0);
        TakePending();
        if (_activeCount != 0)
        {
            RunActiveTasks();
        }
    }

    private void Report(Exception exception)
    {
        SleepFaultyTask();
        // The batch that the exception interrupted goes on in the next round.
        MarkPending();
        if (UnhandledException is { } handler)
        {
            handler(exception);
            return;
        }

        Environment.FailFast($"An exception escaped from the work of an event loop: {exception.Message}", exception);
    }

    private void ThrowIfElsewhere()
    {
        int owner = _threadId;
        if (owner != 0 && owner != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException("This belongs to the loop's thread; use Post or Invoke to get there.");
        }
    }
}
