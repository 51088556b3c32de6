using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <summary>Tells the front-end from time to time that pages may have been recorded in the log.</summary>
/// <remarks>Not at each page: the front-end looks at the whole log anyway, and a signal costs more than a page.</remarks>
internal sealed class LogTicker : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    private readonly EventFd _descriptor;
    private readonly LoopTimer _timer;

    /// <summary>Begins to tell.</summary>
    /// <param name="descriptor">What is signalled; becomes this object's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="isLogging">Whether anything may be recorded now.</param>
    public LogTicker(EventFd descriptor, EventLoop control, Func<bool> isLogging)
    {
        _descriptor = descriptor;
        _timer = control.StartTimer(
            Period,
            Period,
            () =>
            {
                if (isLogging())
                {
                    descriptor.Signal();
                }
            }
        );
    }

    /// <summary>Tells no more, and closes the descriptor.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        _descriptor.Dispose();
    }
}
