namespace Vireo.Core.Queues;

/// <summary>The record of the chains in flight that a successor of this process would go on from.</summary>
/// <remarks>
/// The region is written in an order that leaves it of use whenever the process ends: SIGKILL included, because what was
/// stored stays in shared memory. Only the order of our own stores matters, so each store that must not move is a release.
/// </remarks>
internal abstract class InflightLog
{
    /// <summary>Version of the layouts that are written and understood.</summary>
    protected const ushort Version = 1;

    /// <summary>The heads that go back with the next publication; links in the region are not trusted.</summary>
    private readonly ushort[] _retired;

    private int _retiredCount;

    /// <summary>Which heads these are.</summary>
    private readonly bool[] _isRetired;

    /// <summary>Number of the next chain taken: tells a successor their order.</summary>
    private ulong _nextCounter;

    private protected InflightLog(ushort size)
    {
        _retired = new ushort[size];
        _isRetired = new bool[size];
    }

    /// <summary>The heads that go back with this publication.</summary>
    protected ReadOnlySpan<ushort> Retired => _retired.AsSpan(0, _retiredCount);

    /// <summary>A chain goes back to the driver with the next publication; nothing is recorded yet.</summary>
    /// <param name="head">Its head; was taken.</param>
    public void Retire(ushort head)
    {
        _retired[_retiredCount++] = head;
        _isRetired[head] = true;
    }

    /// <summary>Whether a chain waits for the next publication; its head cannot be taken before.</summary>
    /// <param name="head">Its head, below the queue size.</param>
    public bool IsRetired(ushort head) => _isRetired[head];

    /// <summary>The publication has been recorded.</summary>
    protected void ForgetRetired()
    {
        foreach (ushort head in Retired)
        {
            _isRetired[head] = false;
        }

        _retiredCount = 0;
    }

    /// <summary>The number of the chain being taken.</summary>
    protected ulong TakeCounter()
    {
        ulong counter = _nextCounter;
        // Starts anew where the other side wrote the largest number: an order that is wrong, and no overflow.
        _nextCounter = counter == ulong.MaxValue ? 0 : counter + 1;
        return counter;
    }

    /// <summary>Numbers go on behind a chain that a predecessor took.</summary>
    /// <param name="counter">The number of its youngest.</param>
    protected void ContinueAfter(ulong counter)
    {
        _nextCounter = counter;
        TakeCounter();
    }

    /// <summary>Checks the beginning of a region.</summary>
    /// <param name="region">The region.</param>
    /// <param name="requiredBytes">How long it must be.</param>
    /// <exception cref="RingException">It is too short or not aligned.</exception>
    protected static void Check(InflightRegion region, int requiredBytes)
    {
        if (region.LengthBytes < (ulong)requiredBytes)
        {
            throw new RingException(
                $"the in-flight region has {region.LengthBytes} bytes, and this queue needs {requiredBytes}"
            );
        }

        if (region.Address % sizeof(ulong) != 0)
        {
            throw new RingException("the in-flight region is not aligned to 8 bytes");
        }
    }

    /// <summary>Whether a region was written by a predecessor.</summary>
    /// <returns>
    /// False when it is new, or that of a queue of another size: a queue has one size from reset to reset, so what was recorded is
    /// over. Firmware and operating system, for example, run the same queue with different sizes.
    /// </returns>
    /// <exception cref="RingException">It has another version.</exception>
    protected static bool IsInUse(ushort version, ushort descriptorCount, ushort size)
    {
        if (version == 0)
        {
            return false;
        }

        if (version != Version)
        {
            throw new RingException($"the in-flight region has version {version}; known is version {Version}");
        }

        return descriptorCount == size;
    }
}
