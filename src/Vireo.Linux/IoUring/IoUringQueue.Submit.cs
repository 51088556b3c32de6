using System.Diagnostics;
using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <content>Submission and completion.</content>
public sealed unsafe partial class IoUringQueue
{
    // SAFETY: as for the class.
    private readonly CompletionRing _completion;

    /// <summary>Whether the kernel signals the next completion.</summary>
    private bool _isArmed;

    /// <summary>Whether the first submission has made its thread the queue's.</summary>
    private bool _isEnabled;

    /// <summary>
    /// Whether there is a completion to take, or work of the kernel's that <see cref="TakeCompletions"/> would have to start.
    /// </summary>
    public bool HasCompletions
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return !_completion.IsEmpty || IsKernelWaitingForUs;
        }
    }

    /// <summary>
    /// With a thread of the kernel's, completions come from another processor, and the kernel has no barrier between a completion and its
    /// look at our wish: a signal could be missed. Otherwise they come from this thread, or behind an atomic operation.
    /// </summary>
    private bool IsSignalAlwaysOn => (_setupFlags & LibC.IORING_SETUP_SQPOLL) != 0;

    private bool IsKernelWaitingForUs =>
        (_submission.Flags & (LibC.IORING_SQ_CQ_OVERFLOW | LibC.IORING_SQ_TASKRUN)) != 0;

    private bool IsDevicePolled => (_setupFlags & LibC.IORING_SETUP_IOPOLL) != 0;

    /// <summary>
    /// Asks for a signal of <see cref="Handle"/> when a completion becomes ready; good until the next TakeCompletions. Called by a
    /// loop that is about to sleep.
    /// </summary>
    /// <returns>False when there is something to take already, or when only polling finds it: do not sleep.</returns>
    public bool TryArm()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (!_isArmed && !IsSignalAlwaysOn)
        {
            _completion.SetSignalling(true);
            _isArmed = true;
        }

        bool isPollingNeeded = IsDevicePolled && InFlight != 0;
        return !isPollingNeeded && !HasCompletions;
    }

    /// <summary>Submits the prepared requests, with one system call.</summary>
    /// <returns>
    /// Requests the kernel has taken; fewer than prepared when it has no memory for more now. The rest goes with the next Submit.
    /// </returns>
    /// <exception cref="LinuxException">EEXIST: not the queue's thread; others: a fault of ours.</exception>
    public int Submit()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        uint before = _submission.Untaken;
        uint total = before + _submission.Prepared;
        if (total == 0)
        {
            return 0;
        }

        EnsureEnabled();
        _submission.Publish();
        uint flags = 0;
        if ((_setupFlags & LibC.IORING_SETUP_SQPOLL) != 0)
        {
            // Full: the tail must be visible before we look whether the kernel's thread sleeps; it looks the other way round.
            Interlocked.MemoryBarrier();
            if ((_submission.Flags & LibC.IORING_SQ_NEED_WAKEUP) == 0)
            {
                return (int)total;
            }

            flags = LibC.IORING_ENTER_SQ_WAKEUP;
        }
        else if ((_setupFlags & LibC.IORING_SETUP_DEFER_TASKRUN) != 0)
        {
            // While we are there: completions that wait for us to come in.
            flags = LibC.IORING_ENTER_GETEVENTS;
        }

        return Enter(total, 0, flags, null);
    }

    /// <summary>Submits the prepared requests and waits for completions, which are then to be taken.</summary>
    /// <param name="completions">How many to wait for; more than are on their way are not waited for.</param>
    /// <param name="timeout">How long to wait, Timeout.InfiniteTimeSpan for no limit.</param>
    /// <returns>False when the time is over; there may be some completions all the same.</returns>
    /// <exception cref="LinuxException">As in Submit.</exception>
    public bool SubmitAndWait(int completions, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(completions);
        Submit();
        uint wanted = (uint)Math.Min(completions, InFlight);
        long start = Stopwatch.GetTimestamp();
        while (_completion.Count < wanted)
        {
            timespec limit = default;
            timespec* limitOrNone = null;
            if (timeout != Timeout.InfiniteTimeSpan)
            {
                TimeSpan left = timeout - Stopwatch.GetElapsedTime(start);
                if (left <= TimeSpan.Zero)
                {
                    return false;
                }

                limit.tv_sec = left.Ticks / TimeSpan.TicksPerSecond;
                limit.tv_nsec = (nint)(left.Ticks % TimeSpan.TicksPerSecond * 100);
                limitOrNone = &limit;
            }

            Enter(_submission.Untaken, wanted, LibC.IORING_ENTER_GETEVENTS, limitOrNone);
        }

        return true;
    }

    /// <summary>Takes completions, in their order. No system call, unless the kernel has asked for one in the ring.</summary>
    /// <param name="destination">Where they go.</param>
    /// <returns>How many were taken; 0 when none is there.</returns>
    public int TakeCompletions(Span<IoUringCompletion> destination)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int count = _completion.Take(destination);
        if (count == 0 && _outstanding != 0 && (IsDevicePolled || IsKernelWaitingForUs))
        {
            // What we go for ourselves need not be signalled.
            Disarm();
            Enter(0, 0, LibC.IORING_ENTER_GETEVENTS, null);
            count = _completion.Take(destination);
        }

        if (count != 0)
        {
            Disarm();
            _outstanding -= (uint)count;
        }

        return count;
    }

    private void Disarm()
    {
        if (_isArmed)
        {
            _completion.SetSignalling(false);
            _isArmed = false;
        }
    }

    /// <summary>The first submission makes its thread the queue's.</summary>
    private void EnsureEnabled()
    {
        if (_isEnabled)
        {
            return;
        }

        int result = LibC.io_uring_register(_ring, LibC.IORING_REGISTER_ENABLE_RINGS, null, 0);
        LinuxException.ThrowIfNegative(result, nameof(LibC.io_uring_register), "IORING_REGISTER_ENABLE_RINGS");
        _isEnabled = true;
    }

    /// <summary>Goes into the kernel.</summary>
    /// <returns>Requests it has taken.</returns>
    private int Enter(uint toSubmit, uint toComplete, uint flags, timespec* limit)
    {
        io_uring_getevents_arg argument = new() { ts = (ulong)limit };
        bool isLimited = limit != null;
        flags |= isLimited ? LibC.IORING_ENTER_EXT_ARG : 0;
        uint size = isLimited ? (uint)sizeof(io_uring_getevents_arg) : 0;
        int taken = 0;
        while (true)
        {
            void* extension = isLimited ? &argument : null;
            int result = LibC.io_uring_enter(_ring, toSubmit - (uint)taken, toComplete, flags, extension, size);
            if (result < 0)
            {
                Errno error = LinuxException.LastError;
                if (error == Errno.EINTR)
                {
                    continue;
                }

                // EAGAIN, EBUSY: no memory or no room for completions now. ETIME: the time is over.
                return error is Errno.EAGAIN or Errno.EBUSY or Errno.ETIME
                    ? Finish(taken)
                    : throw new LinuxException(error, nameof(LibC.io_uring_enter));
            }

            taken += result;
            // The kernel stops behind a request it finds malformed (and completes it); the others follow.
            if (result == 0 || taken >= (int)toSubmit)
            {
                return Finish(taken);
            }
        }
    }

    private int Finish(int taken)
    {
        ForgetTakenVectors();
        return taken;
    }

    private void ForgetTakenVectors()
    {
        if (_submission.Untaken == 0 && _submission.Prepared == 0)
        {
            _vectors.Reset();
        }
    }

    /// <summary>Submits until the kernel has taken everything that is prepared.</summary>
    /// <returns>False when it does not, for as long as we can wait.</returns>
    private bool TryFlush()
    {
        long start = Stopwatch.GetTimestamp();
        while (_submission.Untaken + _submission.Prepared != 0)
        {
            if (Stopwatch.GetElapsedTime(start) > FlushTimeout)
            {
                return false;
            }

            Submit();
            Thread.Yield();
        }

        return true;
    }

    /// <summary>Cancels what can be cancelled, and takes all completions.</summary>
    private void Drain()
    {
        if (_outstanding == 0)
        {
            return;
        }

        Span<IoUringCompletion> dropped = stackalloc IoUringCompletion[64];
        long start = Stopwatch.GetTimestamp();
        bool isCancelled = false;
        try
        {
            while (_outstanding != 0 && Stopwatch.GetElapsedTime(start) < DrainTimeout)
            {
                isCancelled = isCancelled || TryPrepareCancelAll();
                SubmitAndWait(1, DrainTimeout - Stopwatch.GetElapsedTime(start));
                while (TakeCompletions(dropped) != 0) { }
            }
        }
        catch (LinuxException)
        {
            // Not the queue's thread, or a broken ring: closing it cancels as much as can be.
        }
    }

    private bool TryPrepareCancelAll()
    {
        io_uring_sqe* entry = Begin(LibC.IORING_OP_ASYNC_CANCEL, ulong.MaxValue);
        if (entry == null)
        {
            return false;
        }

        entry->fd = -1;
        entry->rw_flags = LibC.IORING_ASYNC_CANCEL_ANY | LibC.IORING_ASYNC_CANCEL_ALL;
        return true;
    }
}
