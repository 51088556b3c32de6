namespace Vireo.Backends.Net.Limits;

/// <summary>Says when more may pass: a credit that grows with time, of a twentieth of a second at most.</summary>
/// <remarks>What passes may overdraw the credit by one frame; then nothing passes until it is paid back. Any thread.</remarks>
internal sealed class PacketMeter
{
    private const double BurstSeconds = 0.05;

    /// <summary>The shortest wait: below that a timer costs more than it brings.</summary>
    private static readonly TimeSpan WaitMin = TimeSpan.FromMicroseconds(200);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly double _bytesPerSecond;
    private readonly double _packetsPerSecond;
    private double _bytes;
    private double _packets;
    private long _stamp;

    /// <summary>Makes a meter with its credit full.</summary>
    public PacketMeter(PortLimits limits, TimeProvider time)
    {
        _time = time;
        _bytesPerSecond = limits.BitsPerSecond / 8.0;
        _packetsPerSecond = limits.PacketsPerSecond;
        _bytes = _bytesPerSecond * BurstSeconds;
        _packets = Math.Max(1, _packetsPerSecond * BurstSeconds);
        _stamp = time.GetTimestamp();
    }

    /// <summary>Whether a frame may pass now.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_gate)
            {
                if (HasCredit)
                {
                    return true;
                }

                Refill();
                return HasCredit;
            }
        }
    }

    /// <summary>How long until it may, if it may not now.</summary>
    public TimeSpan Wait
    {
        get
        {
            lock (_gate)
            {
                Refill();
                double bytes = _bytesPerSecond > 0 && _bytes <= 0 ? -_bytes / _bytesPerSecond : 0;
                double packets = _packetsPerSecond > 0 && _packets < 1 ? (1 - _packets) / _packetsPerSecond : 0;
                var wait = TimeSpan.FromSeconds(Math.Max(bytes, packets));
                return wait > WaitMin ? wait : WaitMin;
            }
        }
    }

    /// <summary>A frame passes.</summary>
    public void Charge(int lengthBytes)
    {
        lock (_gate)
        {
            _bytes -= lengthBytes;
            _packets--;
        }
    }

    private bool HasCredit => (_bytesPerSecond == 0 || _bytes > 0) && (_packetsPerSecond == 0 || _packets >= 1);

    private void Refill()
    {
        long now = _time.GetTimestamp();
        double seconds = _time.GetElapsedTime(_stamp, now).TotalSeconds;
        _stamp = now;
        _bytes = Math.Min(_bytes + seconds * _bytesPerSecond, _bytesPerSecond * BurstSeconds);
        _packets = Math.Min(_packets + seconds * _packetsPerSecond, Math.Max(1, _packetsPerSecond * BurstSeconds));
    }
}
