namespace Vireo.Linux.Events;

/// <content>Work that other threads bring.</content>
public sealed partial class EventLoop
{
    /// <summary>Guards <see cref="_posted"/> and <see cref="_acceptsInvocations"/>.</summary>
    private readonly Lock _gate = new();

    /// <summary>Actions posted since the loop took the last batch.</summary>
    private List<Action> _posted = [];

    /// <summary>The batch being run, and the first of its actions not yet begun. Loop's thread only.</summary>
    private List<Action> _batch = [];
    private int _nextAction;

    /// <summary>Whether an action posted now is sure to be run by the Run in progress.</summary>
    private bool _acceptsInvocations;

    /// <summary>1 while posted work, activations or a request to stop wait to be looked at.</summary>
    private int _isPending;

    /// <summary>1 while the loop sleeps, or is about to: it then has to be woken through the kernel.</summary>
    private int _isAsleep;

    /// <summary>Head of the list of tasks that other threads activated.</summary>
    private LoopTask? _activations;

    /// <summary>Has an action run on the loop's thread, soon, in the order of posting. Any thread; returns at once.</summary>
    /// <remarks>Posted while the loop does not run, the action runs when it does. Posting allocates nothing but the caller's closure
    /// once the list has grown to its working size.</remarks>
    /// <param name="action">What to run. Must not wait.</param>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void Post(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _posted.Add(action);
        }

        Notify();
    }

    /// <summary>Runs an action on the loop's thread and waits for its end; at once when this is that thread.</summary>
    /// <remarks>Two loops that invoke each other wait for ever: only threads that are no loop's should invoke.</remarks>
    /// <param name="action">What to run. Must not wait.</param>
    /// <exception cref="InvalidOperationException">The loop does not run, so the wait would have no end.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    /// <exception cref="Exception">What the action threw, with its own stack trace.</exception>
    public void Invoke(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        if (IsCurrentThread)
        {
            action();
            return;
        }

        using LoopInvocation invocation = new(action);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_acceptsInvocations)
            {
                throw new InvalidOperationException("The loop does not run, so nobody would execute the action.");
            }

            _posted.Add(invocation.Execute);
        }

        Notify();
        invocation.Wait();
    }

    /// <summary>Adds a task to those other threads activated. Called off the loop's thread.</summary>
    private void ActivateFromElsewhere(LoopTask task)
    {
        if (!task.TryClaimActivation())
        {
            return;
        }

        LoopTask? head = _activations;
        while (true)
        {
            task.NextActivation = head;
            // Full: publishes the task's link together with the task.
            LoopTask? found = Interlocked.CompareExchange(ref _activations, task, head);
            if (ReferenceEquals(found, head))
            {
                break;
            }

            head = found;
        }

        Notify();
    }

    /// <summary>Lets the loop know that something waits for it, and wakes it if it sleeps.</summary>
    private void Notify()
    {
        MarkPending();
        // Acquire: the exchange in MarkPending is the full barrier that keeps this read behind it.
        // Full: of several threads that see the loop asleep, one pays for the system call.
        if (Volatile.Read(ref _isAsleep) != 0 && Interlocked.Exchange(ref _isAsleep, 0) != 0)
        {
            _wake.Signal();
        }
    }

    private void MarkPending()
    {
        // Full: the work is visible before the mark, and the mark before the caller looks whether the loop sleeps.
        Interlocked.Exchange(ref _isPending, 1);
    }

    /// <summary>Takes over what other threads brought, if anything.</summary>
    private void TakePending()
    {
        // Acquire: the one read an undisturbed turn pays.
        if (Volatile.Read(ref _isPending) == 0)
        {
            return;
        }

        // Full: taken back before we look, so that what comes after our look sets it again.
        Interlocked.Exchange(ref _isPending, 0);
        TakeActivations();
        RunBatch();
        TakeBatch();
        RunBatch();
    }

    private void TakeActivations()
    {
        // Full: takes the whole list with all that was written before each task entered it.
        LoopTask? task = Interlocked.Exchange(ref _activations, null);
        while (task is not null)
        {
            LoopTask? next = task.NextActivation;
            task.NextActivation = null;
            task.EndActivation();
            // A task that has moved to another loop since then is passed on.
            task.Activate();
            task = next;
        }
    }

    private void TakeBatch()
    {
        _batch.Clear();
        _nextAction = 0;
        lock (_gate)
        {
            (_batch, _posted) = (_posted, _batch);
        }
    }

    /// <summary>Runs the batch; goes on where an exception has interrupted it.</summary>
    private void RunBatch()
    {
        while (_nextAction < _batch.Count)
        {
            Action action = _batch[_nextAction];
            _nextAction++;
            action();
        }
    }

    private void AcceptInvocations()
    {
        lock (_gate)
        {
            _acceptsInvocations = true;
        }
    }

    /// <summary>Runs what was posted until now, and nothing that is posted from now on: the end has a bound.</summary>
    private void FinishPosted()
    {
        lock (_gate)
        {
            _acceptsInvocations = false;
        }

        FinishBatch();
        TakeBatch();
        FinishBatch();
    }

    private void FinishBatch()
    {
        while (_nextAction < _batch.Count)
        {
            try
            {
                RunBatch();
            }
#pragma warning disable CA1031 // JUSTIFICATION: as in RunOnce.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                Report(exception);
            }
        }
    }

    private void DropPosted()
    {
        lock (_gate)
        {
            _posted.Clear();
            _batch.Clear();
        }
    }
}
