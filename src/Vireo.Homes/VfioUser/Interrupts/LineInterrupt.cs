using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser.Interrupts;

/// <summary>The interrupt line as VFIO knows it: a level that announces itself once and is then masked until the client unmasks it.</summary>
/// <remarks>The level is set by any thread, all else by the control thread.</remarks>
internal sealed class LineInterrupt : IDisposable
{
    private readonly Lock _lock = new();
    private EventFd? _trigger;
    private bool _isAsserted;
    private bool _isMasked;

    /// <summary>Sets the level.</summary>
    public void Set(bool isAsserted)
    {
        lock (_lock)
        {
            _isAsserted = isAsserted;
            Announce();
        }
    }

    /// <summary>Says how the line is announced from now on; it is not masked then.</summary>
    /// <param name="trigger">The descriptor; becomes this object's. Null for not at all.</param>
    public void Replace(EventFd? trigger)
    {
        EventFd? old;
        lock (_lock)
        {
            old = _trigger;
            _trigger = trigger;
            _isMasked = false;
            Announce();
        }

        old?.Dispose();
    }

    /// <summary>Announces nothing until it is unmasked.</summary>
    public void Mask()
    {
        lock (_lock)
        {
            _isMasked = true;
        }
    }

    /// <summary>Announces the line again, at once if it is asserted.</summary>
    public void Unmask()
    {
        lock (_lock)
        {
            _isMasked = false;
            Announce();
        }
    }

    /// <summary>Announces the line as if it were asserted, for clients that test their wiring.</summary>
    public void Trigger()
    {
        lock (_lock)
        {
            _trigger?.Signal();
        }
    }

    /// <summary>Closes the descriptor.</summary>
    public void Dispose() => Replace(null);

    private void Announce()
    {
        if (_isAsserted && !_isMasked && _trigger is not null)
        {
            _isMasked = true;
            _trigger.Signal();
        }
    }
}
