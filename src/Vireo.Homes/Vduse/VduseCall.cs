using Vireo.Core.Contract;
using Vireo.Linux.Events;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>The call of one queue: a command to the kernel, which interrupts the driver.</summary>
/// <remarks>
/// The kernel takes no call before it has noted that the driver said DRIVER_OK, which it does a moment after the device has heard of
/// it. A call that comes in between is made again until it is taken.
/// </remarks>
internal sealed class VduseCall : ISignal, IDisposable
{
    /// <summary>How often a call that was not taken is made again.</summary>
    public const int TriesMax = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    private readonly IVduseDevice _door;
    private readonly int _index;
    private readonly EventLoop _control;
    private readonly Action _retry;
    private LoopTimer? _timer;
    private int _triesLeft;

    /// <summary>Makes the call of a queue.</summary>
    /// <param name="door">The device; stays the caller's.</param>
    /// <param name="index">Which queue.</param>
    /// <param name="control">The home's loop, which waits.</param>
    public VduseCall(IVduseDevice door, int index, EventLoop control)
    {
        _door = door;
        _index = index;
        _control = control;
        _retry = BeginRetries;
    }

    /// <inheritdoc/>
    public void Notify()
    {
        if (!_door.TryCall(_index))
        {
            _control.Post(_retry);
        }
    }

    /// <summary>Gives up calls that were not taken: the queue has stopped. On the control thread.</summary>
    public void Cancel()
    {
        _triesLeft = 0;
        _timer?.Dispose();
        _timer = null;
    }

    /// <inheritdoc/>
    public void Dispose() => Cancel();

    private void BeginRetries()
    {
        _triesLeft = TriesMax;
        _timer ??= _control.StartTimer(Pause, Pause, Retry);
    }

    private void Retry()
    {
        _triesLeft--;
        if (_door.TryCall(_index) || _triesLeft <= 0)
        {
            Cancel();
        }
    }
}
