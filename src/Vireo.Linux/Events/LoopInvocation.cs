using System.Runtime.ExceptionServices;

namespace Vireo.Linux.Events;

/// <summary>An action another thread waits for.</summary>
internal sealed class LoopInvocation(Action action) : IDisposable
{
    private readonly ManualResetEventSlim _isDone = new();
    private ExceptionDispatchInfo? _failure;

    public void Dispose() => _isDone.Dispose();

    /// <summary>Runs the action. On the loop's thread.</summary>
    internal void Execute()
    {
        try
        {
            action();
        }
#pragma warning disable CA1031 // JUSTIFICATION: it is rethrown on the thread that waits.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }

        _isDone.Set();
    }

    /// <summary>Waits for the action's end and throws what it threw. On the other thread.</summary>
    internal void Wait()
    {
        _isDone.Wait();
        _failure?.Throw();
    }
}
