namespace Vireo.Linux.Vhost;

/// <summary>The two rings of <c>/dev/vhost-vsock</c>, which run together or not at all; the third, for events, nobody runs.</summary>
public sealed class VhostSocketRings : IVhostRings
{
    /// <summary>The smallest address that a guest may have: those below have a meaning of their own.</summary>
    public const ulong ContextIdMin = 3;

    private readonly ulong _contextId;
    private readonly bool[] _isStarted = new bool[2];

    /// <summary>Takes an address.</summary>
    /// <param name="contextId">The guest's address, from <see cref="ContextIdMin"/> to 2^32 - 2.</param>
    public VhostSocketRings(ulong contextId)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(contextId, ContextIdMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(contextId, uint.MaxValue);
        _contextId = contextId;
    }

    /// <inheritdoc/>
    public int Count => _isStarted.Length;

    /// <inheritdoc/>
    public void Start(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        _isStarted[index] = true;
        if (Array.TrueForAll(_isStarted, static isStarted => isStarted))
        {
            device.SetContextId(_contextId);
            device.SetSocketsRunning(isRunning: true);
        }
    }

    /// <inheritdoc/>
    public void Stop(IVhostKernelDevice device, int index)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (Array.TrueForAll(_isStarted, static isStarted => isStarted))
        {
            device.SetSocketsRunning(isRunning: false);
        }

        _isStarted[index] = false;
    }
}
