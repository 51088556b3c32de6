using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Filters;

/// <summary>Lets no more through to a disk than an operator allows, over all its queues together.</summary>
public sealed class ThrottledDisk : FilterDisk
{
    private readonly EventLoopGroup _loops;
    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();
    private readonly TokenBucket? _requests;
    private readonly TokenBucket? _bytes;

    /// <summary>Puts limits in front of a disk.</summary>
    /// <param name="inner">The disk; stays the caller's.</param>
    /// <param name="limits">The limits.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's.</param>
    /// <param name="clock">What measures time; null for the system's clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is negative.</exception>
    public ThrottledDisk(IBlockBackend inner, ThrottleLimits limits, EventLoopGroup loops, TimeProvider? clock = null)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(loops);
        _loops = loops;
        _clock = clock ?? TimeProvider.System;
        _requests = MakeBucket(limits.RequestsPerSecond, limits.RequestsBurst);
        _bytes = MakeBucket(limits.BytesPerSecond, limits.BytesBurst);
    }

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new ThrottledChannel(this, Inner, _loops[queueIndex], _clock, queueIndex, tagCount, completions);

    /// <summary>Lets a request through, or says how long it has to wait. Any loop.</summary>
    /// <param name="lengthBytes">Bytes it moves.</param>
    /// <param name="wait">How long; zero when it was let through.</param>
    /// <returns>Whether it was let through.</returns>
    internal bool TryPass(long lengthBytes, out TimeSpan wait)
    {
        lock (_gate)
        {
            long now = _clock.GetTimestamp();
            long ticks = Math.Max(_requests?.WaitFor(now) ?? 0, _bytes?.WaitFor(now) ?? 0);
            if (ticks == 0)
            {
                _requests?.Take(1);
                _bytes?.Take(lengthBytes);
            }

            wait = TimeSpan.FromSeconds((double)ticks / _clock.TimestampFrequency);
            return ticks == 0;
        }
    }

    private TokenBucket? MakeBucket(long perSecond, long burst)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(perSecond);
        ArgumentOutOfRangeException.ThrowIfNegative(burst);
        return perSecond == 0 ? null : new(perSecond, burst, _clock.TimestampFrequency, _clock.GetTimestamp());
    }
}
