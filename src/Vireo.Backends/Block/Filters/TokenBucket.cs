namespace Vireo.Backends.Block.Filters;

/// <summary>Counts how much may be used: fills at a rate, up to a size, and may be overdrawn by one request.</summary>
/// <remarks>Knows no clock: the caller says what time it is. Not for several threads at once.</remarks>
internal sealed class TokenBucket
{
    /// <summary>The part of a second whose worth is the size of a bucket unless stated otherwise.</summary>
    private const long UsualSizeDivisor = 10;

    private readonly double _perTick;
    private readonly double _size;
    private double _level;
    private long _lastTicks;

    /// <summary>Makes a full bucket.</summary>
    /// <param name="perSecond">How fast it fills, at least 1.</param>
    /// <param name="size">How much it holds; 0 for a tenth of a second's worth.</param>
    /// <param name="ticksPerSecond">The unit of time.</param>
    /// <param name="nowTicks">What time it is.</param>
    public TokenBucket(long perSecond, long size, long ticksPerSecond, long nowTicks)
    {
        _perTick = (double)perSecond / ticksPerSecond;
        _size = Math.Max(1, size == 0 ? perSecond / UsualSizeDivisor : size);
        _level = _size;
        _lastTicks = nowTicks;
    }

    /// <summary>How long until something may be used.</summary>
    /// <param name="nowTicks">What time it is; never earlier than before.</param>
    /// <returns>Ticks to wait; 0 when it may be used now.</returns>
    public long WaitFor(long nowTicks)
    {
        _level = Math.Min(_size, _level + (nowTicks - _lastTicks) * _perTick);
        _lastTicks = nowTicks;
        return _level > 0 ? 0 : (long)Math.Ceiling(-_level / _perTick) + 1;
    }

    /// <summary>Uses an amount, which may be more than there is.</summary>
    public void Take(long amount) => _level -= amount;
}
