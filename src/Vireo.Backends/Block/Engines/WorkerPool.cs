namespace Vireo.Backends.Block.Engines;

/// <summary>Threads that make blocking calls for one disk.</summary>
/// <remarks>Threads are started when work waits and none is idle, up to a limit, and end when the pool is disposed.</remarks>
internal sealed class WorkerPool : IDisposable
{
    private readonly object _gate = new();
    private readonly Queue<(WorkerMember Member, uint Tag)> _work = new();
    private readonly List<Thread> _threads = [];
    private readonly string _name;
    private readonly int _threadsMax;
    private int _idle;
    private bool _isDisposed;

    /// <summary>Makes a pool without threads.</summary>
    /// <param name="name">Name of the threads; the kernel shows 15 bytes.</param>
    /// <param name="threadsMax">How many threads at most, at least 1.</param>
    public WorkerPool(string name, int threadsMax)
    {
        _name = name;
        _threadsMax = threadsMax;
    }

    /// <summary>Has a thread carry out a request of a member. Any thread.</summary>
    public void Enqueue(WorkerMember member, uint tag)
    {
        lock (_gate)
        {
            _work.Enqueue((member, tag));
            if (_idle < _work.Count && _threads.Count < _threadsMax)
            {
                StartThread();
            }

            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Ends the threads. No member may have work left.</summary>
    public void Dispose()
    {
        Thread[] threads;
        lock (_gate)
        {
            _isDisposed = true;
            Monitor.PulseAll(_gate);
            threads = [.. _threads];
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }
    }

    private void StartThread()
    {
        Thread thread = new(Work) { IsBackground = true, Name = $"{_name}-{_threads.Count}" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Work()
    {
        while (TryTake(out WorkerMember? member, out uint tag))
        {
            member.Work(tag);
        }
    }

    /// <summary>Waits for work.</summary>
    /// <returns>False when the pool is disposed.</returns>
    private bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out WorkerMember? member, out uint tag)
    {
        lock (_gate)
        {
            (WorkerMember Member, uint Tag) next;
            while (!_work.TryDequeue(out next))
            {
                if (_isDisposed)
                {
                    (member, tag) = (null, 0);
                    return false;
                }

                _idle++;
                Monitor.Wait(_gate);
                _idle--;
            }

            (member, tag) = next;
            return true;
        }
    }
}
