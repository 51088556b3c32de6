namespace Vireo.Core.Transports;

/// <summary>The interrupt status of a device and the level-triggered line that shows it (VIRTIO 1.4 §4.1.4.5, §4.2.2).</summary>
/// <remarks>Any thread. The lock keeps status and line together; it is not on the way of message-signalled interrupts.</remarks>
internal sealed class InterruptLine
{
    /// <summary>Buffers have been used in some queue.</summary>
    public const uint QueueBit = 1;

    /// <summary>The configuration space has changed.</summary>
    public const uint ConfigBit = 2;

    private readonly Lock _lock = new();
    private readonly ILineHost _host;
    private uint _status;
    private bool _isEnabled = true;
    private bool _isAsserted;

    public InterruptLine(ILineHost host) => _host = host;

    /// <summary>The events that happened and were not acknowledged.</summary>
    public uint Status
    {
        get
        {
            lock (_lock)
            {
                return _status;
            }
        }
    }

    /// <summary>Says whether the line follows the status; while it does not, it is low.</summary>
    public void Enable(bool isEnabled)
    {
        lock (_lock)
        {
            _isEnabled = isEnabled;
            Update();
        }
    }

    /// <summary>Notes events.</summary>
    public void Raise(uint bits)
    {
        lock (_lock)
        {
            _status |= bits;
            Update();
        }
    }

    /// <summary>Forgets events.</summary>
    /// <returns>What the status was.</returns>
    public uint Acknowledge(uint bits)
    {
        lock (_lock)
        {
            uint before = _status;
            _status &= ~bits;
            Update();
            return before;
        }
    }

    private void Update()
    {
        bool isAsserted = _isEnabled && _status != 0;
        if (isAsserted != _isAsserted)
        {
            _isAsserted = isAsserted;
            _host.SetInterruptLine(isAsserted);
        }
    }
}
