using System.Diagnostics;
using System.Runtime.InteropServices;
using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>Waits for descriptors on a thread that has no loop: the control plane of clients, and tools.</summary>
public static class DescriptorWait
{
    /// <summary>A descriptor number that poll passes over.</summary>
    private const int Nothing = -1;

    /// <summary>Waits until a descriptor is ready.</summary>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <param name="events">What to wait for: Readable or Writable, or both. Errors and hang-ups always end the wait.</param>
    /// <param name="timeout">How long at most, in whole milliseconds (rounded up); Timeout.InfiniteTimeSpan for no limit.</param>
    /// <returns>False when the time is over.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer than 24 days.</exception>
    /// <exception cref="ObjectDisposedException">The descriptor is closed.</exception>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static bool TryWait(SafeHandle handle, LoopEvents events, TimeSpan timeout) =>
        TryWaitAny(handle, null, events, timeout);

    /// <summary>Waits until one of two descriptors is ready.</summary>
    /// <param name="first">Any open descriptor. It stays the caller's.</param>
    /// <param name="second">Another; null for none.</param>
    /// <param name="events">What to wait for: Readable or Writable, or both. Errors and hang-ups always end the wait.</param>
    /// <param name="timeout">How long at most, in whole milliseconds (rounded up); Timeout.InfiniteTimeSpan for no limit.</param>
    /// <returns>False when the time is over.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer than 24 days.</exception>
    /// <exception cref="ObjectDisposedException">A descriptor is closed.</exception>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static bool TryWaitAny(SafeHandle first, SafeHandle? second, LoopEvents events, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(first);
        // With one descriptor the other lease holds a second reference on it, and its number is not used.
        using DescriptorLease firstLease = new(first);
        using DescriptorLease secondLease = new(second ?? first);
        int secondNumber = second is null ? Nothing : secondLease.Number;
        long start = Stopwatch.GetTimestamp();
        TimeSpan left = timeout;
        while (true)
        {
            int ready = Poll(firstLease.Number, secondNumber, events, ToMilliseconds(left));
            if (ready >= 0)
            {
                return ready > 0;
            }

            // Interrupted: go on with what is left of the time.
            if (timeout != Timeout.InfiniteTimeSpan)
            {
                TimeSpan rest = timeout - Stopwatch.GetElapsedTime(start);
                left = rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
            }
        }
    }

    /// <summary>One call of poll.</summary>
    /// <returns>Ready descriptors, or -1 when a signal interrupted the wait.</returns>
    // SAFETY: the kernel is given two entries on the stack; the values of the events are the same for poll and epoll.
    private static unsafe int Poll(int first, int second, LoopEvents events, int timeoutMs)
    {
        short wanted = (short)(events & (LoopEvents.Readable | LoopEvents.Writable));
        pollfd* entries = stackalloc pollfd[2];
        entries[0] = new() { fd = first, events = wanted };
        entries[1] = new() { fd = second, events = wanted };
        int result = LibC.poll(entries, 2, timeoutMs);
        if (result >= 0)
        {
            return result;
        }

        Errno error = LinuxException.LastError;
        return error == Errno.EINTR ? -1 : throw new LinuxException(error, nameof(LibC.poll));
    }

    private static int ToMilliseconds(TimeSpan timeout)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            return Timeout.Infinite;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
        double milliseconds = Math.Ceiling(timeout.TotalMilliseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(milliseconds, int.MaxValue, nameof(timeout));
        return (int)milliseconds;
    }
}
