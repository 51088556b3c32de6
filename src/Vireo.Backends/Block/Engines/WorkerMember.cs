using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Engines;

/// <summary>Hands work of a queue to worker threads and delivers the results on the queue's loop.</summary>
internal abstract class WorkerMember : LoopMember
{
    private readonly WorkerPool _workers;
    private readonly Lock _gate = new();

    /// <summary>Results that workers have brought; guarded by <see cref="_gate"/>.</summary>
    private List<(uint Tag, int Result)> _done;

    /// <summary>The results being delivered; the loop's own.</summary>
    private List<(uint Tag, int Result)> _delivering;

    private protected WorkerMember(EventLoop loop, WorkerPool workers, int tagCount)
        : base(loop)
    {
        _workers = workers;
        _done = new(tagCount);
        _delivering = new(tagCount);
    }

    /// <summary>Carries out a request and brings the result; on a worker's thread.</summary>
    internal void Work(uint tag)
    {
        int result = CarryOut(tag);
        lock (_gate)
        {
            _done.Add((tag, result));
        }

        Activate();
    }

    /// <inheritdoc/>
    protected override bool Run()
    {
        lock (_gate)
        {
            (_done, _delivering) = (_delivering, _done);
        }

        int count = _delivering.Count;
        for (int index = 0; index < count; index++)
        {
            (uint tag, int result) = _delivering[index];
            Deliver(tag, result);
        }

        _delivering.Clear();
        return count > 0;
    }

    /// <inheritdoc/>
    protected override bool TryArm()
    {
        lock (_gate)
        {
            return _done.Count == 0;
        }
    }

    /// <summary>Has a worker carry out a request. What it needs was written before.</summary>
    private protected void Enqueue(uint tag) => _workers.Enqueue(this, tag);

    /// <summary>Carries out a request; on a worker's thread. Must not throw.</summary>
    private protected abstract int CarryOut(uint tag);

    /// <summary>A request has ended; on the loop's thread.</summary>
    private protected abstract void Deliver(uint tag, int result);
}
