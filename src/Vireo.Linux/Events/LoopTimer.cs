using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>A timer of a loop (timerfd on the monotonic clock). Dispose to end it.</summary>
/// <remarks>Used on the loop's thread only, or while the loop does not run.</remarks>
public sealed class LoopTimer : IDisposable, ILoopWatcher
{
    private const long NanosecondsPerTick = 100;

    private readonly SafeFileHandle _handle;
    private readonly Action _action;
    private readonly LoopWatch _watch;

    internal LoopTimer(EventLoop loop, TimeSpan due, TimeSpan period, Action action)
    {
        _action = action;
        _handle = LinuxException.ThrowIfInvalid(
            LibC.timerfd_create(LibC.CLOCK_MONOTONIC, LibC.TFD_CLOEXEC | LibC.TFD_NONBLOCK),
            nameof(LibC.timerfd_create)
        );
        try
        {
            Change(due, period);
            _watch = loop.Watch(_handle, LoopEvents.Readable, this);
        }
        catch
        {
            _handle.Dispose();
            throw;
        }
    }

    /// <summary>Sets the timer anew.</summary>
    /// <param name="due">Time to the first call; zero means at once, Timeout.InfiniteTimeSpan never.</param>
    /// <param name="period">Time between further calls; zero or Timeout.InfiniteTimeSpan for none.</param>
    /// <exception cref="ArgumentOutOfRangeException">A time is negative.</exception>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public unsafe void Change(TimeSpan due, TimeSpan period)
    {
        itimerspec value = default;
        if (due != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(due, TimeSpan.Zero);
            // A zero it_value would disarm the timer; one nanosecond is the soonest there is.
            value.it_value = due == TimeSpan.Zero ? new timespec { tv_nsec = 1 } : Convert(due);
            value.it_interval = period == Timeout.InfiniteTimeSpan ? default : ConvertPeriod(period);
        }

        int result = LibC.timerfd_settime(_handle, 0, &value, null);
        LinuxException.ThrowIfNegative(result, nameof(LibC.timerfd_settime));
    }

    /// <inheritdoc/>
    // SAFETY: eight bytes of a local variable.
    unsafe void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        ulong expirations;
        // EAGAIN means that Change came between the event and us.
        if (LibC.read(_handle, &expirations, sizeof(ulong)) == sizeof(ulong))
        {
            _action();
        }
    }

    /// <summary>Ends the timer: its action is not called any more.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _handle.Dispose();
    }

    private static timespec ConvertPeriod(TimeSpan period)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(period, TimeSpan.Zero);
        return Convert(period);
    }

    private static timespec Convert(TimeSpan time) =>
        new()
        {
            tv_sec = time.Ticks / TimeSpan.TicksPerSecond,
            tv_nsec = (nint)(time.Ticks % TimeSpan.TicksPerSecond * NanosecondsPerTick),
        };
}
