using System.Globalization;
using System.Runtime.ExceptionServices;

namespace Vireo.Linux.Events;

/// <summary>Loops that run on background threads of their own. Dispose to stop them.</summary>
public sealed class EventLoopGroup : IDisposable
{
    /// <summary>More threads than this are a mistake in a configuration, not a wish.</summary>
    private const int LoopsMax = 1024;

    private readonly EventLoop[] _loops;
    private readonly Thread[] _threads;
    private bool _isDisposed;

    private EventLoopGroup(EventLoop[] loops, Thread[] threads)
    {
        _loops = loops;
        _threads = threads;
    }

    /// <summary>How many loops there are.</summary>
    public int Count => _loops.Length;

    /// <summary>The loop for a thing with this number: things are dealt out in turn.</summary>
    /// <param name="index">Any number from 0, for example a queue's.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public EventLoop this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            return _loops[index % _loops.Length];
        }
    }

    /// <summary>Starts loops, and returns when each of them runs.</summary>
    /// <param name="count">How many, 1 to 1024.</param>
    /// <param name="options">How they are made; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is out of range.</exception>
    /// <exception cref="LinuxException">Too many open files, or a processor that cannot be used.</exception>
    public static EventLoopGroup Start(int count, EventLoopOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, LoopsMax);
        options ??= new EventLoopOptions();
        var loops = new EventLoop[count];
        var threads = new Thread[count];
        int started = 0;
        try
        {
            for (; started < count; started++)
            {
                loops[started] = new EventLoop
                {
                    AdaptsPollWindow = options.AdaptsPollWindow,
                    PollWindow = options.PollWindow,
                    UnhandledException = options.UnhandledException,
                };
                threads[started] = StartThread(loops[started], started, options);
            }
        }
        catch
        {
            loops[started]?.Dispose();
            new EventLoopGroup(loops[..started], threads[..started]).Dispose();
            throw;
        }

        return new EventLoopGroup(loops, threads);
    }

    /// <summary>Stops the loops, waits for their threads to end, and closes them.</summary>
    /// <exception cref="InvalidOperationException">Called on one of the group's own threads.</exception>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        foreach (EventLoop loop in _loops)
        {
            if (loop.IsCurrentThread)
            {
                throw new InvalidOperationException("A loop cannot wait for its own end.");
            }
        }

        _isDisposed = true;
        foreach (EventLoop loop in _loops)
        {
            loop.Stop();
        }

        for (int index = 0; index < _loops.Length; index++)
        {
            _threads[index].Join();
            _loops[index].Dispose();
        }
    }

    /// <summary>Starts one loop's thread, and returns when the loop runs or has failed to.</summary>
    private static Thread StartThread(EventLoop loop, int index, EventLoopOptions options)
    {
        using ManualResetEventSlim isReady = new();
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                if (options.Processors.Count != 0)
                {
                    ThreadAffinity.PinCurrentThread(options.Processors[index % options.Processors.Count]);
                }
            }
#pragma warning disable CA1031 // JUSTIFICATION: it is rethrown on the thread that starts the group.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(exception);
                isReady.Set();
                return;
            }

            loop.Post(isReady.Set);
            loop.Run();
        })
        {
            IsBackground = true,
            Name = string.Create(CultureInfo.InvariantCulture, $"{options.Name}-{index}"),
        };
        thread.Start();
        isReady.Wait();
        if (failure is not null)
        {
            thread.Join();
            failure.Throw();
        }

        return thread;
    }
}
