using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux.Events;

namespace Vireo.Drivers;

/// <summary>One queue of a device, from the driver's side: the ring, its kick, and waiting for its call.</summary>
/// <remarks>
/// Used by one thread at a time. A turn is: <see cref="TryAdd"/> as often as wanted, one <see cref="Submit"/>; then
/// <see cref="TryTake(out DriverCompletion)"/> until it returns false, or <see cref="TryTake(TimeSpan, out DriverCompletion)"/> to wait. Nothing here
/// allocates.
/// </remarks>
public sealed class QueueClient
{
    /// <summary>One sleep lasts at most this long; the caller's limit may be longer.</summary>
    private static readonly TimeSpan SleepMax = TimeSpan.FromHours(1);

    private readonly DriverSession _session;
    private readonly DriverQueue _ring;
    private readonly QueueAreas _areas;
    private readonly DriverSignal _kick;
    private readonly DriverSignal _call;
    private readonly TimeSpan _pollWindow;

    /// <summary>Whether a device that was kicked is not kicked again before it asks: EVENT_IDX was negotiated.</summary>
    private readonly bool _kicksOnce;

    /// <summary>Whether this side has slept since the last kick, so that the other side sleeps, too, as a rule.</summary>
    private bool _hasSlept;

    /// <summary>Makes the driver's side of a queue; the signals stay the session's.</summary>
    internal QueueClient(
        DriverSession session,
        DriverQueue ring,
        QueueAreas areas,
        DriverSignal kick,
        DriverSignal call,
        TimeSpan pollWindow
    )
    {
        _kick = kick;
        _call = call;
        _session = session;
        _ring = ring;
        _areas = areas;
        _pollWindow = pollWindow;
        _kicksOnce = session.Features.Contains(CoreFeature.EventIndex);
        _ring.SuppressCalls();
    }

    /// <summary>Queue size in descriptors.</summary>
    public int Size => _ring.Size;

    /// <summary>How many buffers the device has.</summary>
    public int InFlight => _ring.InFlight;

    /// <summary>How many descriptors are not in use.</summary>
    public int FreeDescriptors => _ring.FreeDescriptors;

    /// <summary>Adds a buffer; the device sees it after <see cref="Submit"/> at the latest.</summary>
    /// <param name="readable">The pieces that the device reads, in order.</param>
    /// <param name="writable">The pieces that the device writes, in order; they follow the readable ones.</param>
    /// <param name="tag">What to call the buffer when it comes back.</param>
    /// <returns>False when the queue is full; nothing was added then.</returns>
    /// <exception cref="ArgumentException">There is no piece, or more than ever fit into the queue.</exception>
    public bool TryAdd(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable, ulong tag)
    {
        if (!_ring.TryAdd(readable, writable, tag))
        {
            return false;
        }

        if (_hasSlept)
        {
            // To wake the device takes longer than to add a batch: it wakes up while the rest is added, and does not ask for a
            // second kick before it has looked.
            Submit();
        }

        return true;
    }

    /// <summary>Hands all added buffers to the device, with one kick if it wants one.</summary>
    public void Submit()
    {
        _hasSlept = false;
        if (_ring.Publish())
        {
            _kick.Notify();
        }
    }

    /// <summary>Takes back the next buffer that the device has used.</summary>
    /// <returns>False when there is none now.</returns>
    /// <exception cref="DriverException">There is none, and there will be none: the device broke the rules or has gone.</exception>
    public bool TryTake(out DriverCompletion completion)
    {
        if (_ring.TryTake(out completion))
        {
            return true;
        }

        if (_ring.Fault != UsedFault.None || _session.Failure is not null)
        {
            ThrowBroken();
        }

        return false;
    }

    /// <summary>Takes back the next buffer that the device uses, waiting for it.</summary>
    /// <param name="timeout">How long to wait at most; Timeout.InfiniteTimeSpan for no limit.</param>
    /// <param name="completion">The buffer.</param>
    /// <returns>False when the time is over.</returns>
    /// <exception cref="DriverException">The device broke the rules or has gone.</exception>
    public bool TryTake(TimeSpan timeout, out DriverCompletion completion)
    {
        long start = 0;
        while (!TryTake(out completion))
        {
            long now = Stopwatch.GetTimestamp();
            start = start == 0 ? now : start;
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start, now);
            if (elapsed < _pollWindow)
            {
                Thread.SpinWait(1);
                continue;
            }

            bool isUnlimited = timeout == Timeout.InfiniteTimeSpan;
            if (!isUnlimited && elapsed >= timeout)
            {
                return false;
            }

            Sleep(isUnlimited ? SleepMax : timeout - elapsed);
        }

        return true;
    }

    /// <summary>Takes back the next buffer if there is one, and says nothing of the device's state.</summary>
    internal bool TryTakeNow(out DriverCompletion completion) => _ring.TryTake(out completion);

    internal QueueSetup Setup(int index, QueueState state) => new(index, _areas, state, _kick, _call);

    /// <summary>Ends a sleep, because the device has gone. Any thread.</summary>
    internal void Wake() => _call.Notify();

    /// <summary>Sleeps until the device calls or the time is over, unless something has come meanwhile.</summary>
    private void Sleep(TimeSpan timeout)
    {
        if (_ring.TryArmCalls() && _session.Failure is null)
        {
            DescriptorWait.TryWait(_call.Handle, LoopEvents.Readable, timeout < SleepMax ? timeout : SleepMax);
        }

        // The call is taken back before the ring is looked at, so that one that comes after is not lost.
        _call.Event.TryDrain();
        _ring.SuppressCalls();
        _hasSlept = _kicksOnce;
    }

    [DoesNotReturn]
    private void ThrowBroken()
    {
        _session.ThrowIfFailed();
        throw new DriverException($"the device broke the rules of the ring: {_ring.Fault}");
    }
}
