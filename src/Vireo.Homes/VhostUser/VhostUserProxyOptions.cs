using Microsoft.Extensions.Logging;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <summary>How a <see cref="VhostUserProxy"/> behaves.</summary>
public sealed record VhostUserProxyOptions
{
    /// <summary>Queue size unless stated otherwise.</summary>
    private const ushort UsualQueueSizeMax = 1024;

    /// <summary>How the connection behaves.</summary>
    public VhostUserFrontEndOptions Connection { get; init; } = new();

    /// <summary>
    /// How many queues the device has, when the back-end cannot be asked; and the most that are used when it can. 1 to 256.
    /// </summary>
    /// <remarks>
    /// The protocol says nothing of the device type, so a device with a fixed number of queues (2 for entropy's big sisters console
    /// and network, 3 for vsock) has to be described here.
    /// </remarks>
    public int QueueCount { get; init; } = 1;

    /// <summary>The largest queue size in descriptors; the protocol has no way to ask. A power of two up to 32768.</summary>
    public ushort QueueSizeMax { get; init; } = UsualQueueSizeMax;

    /// <summary>Length of the configuration space in bytes, 0 to 256; used only where the back-end has one.</summary>
    public int ConfigLengthBytes { get; init; } = 256;

    /// <summary>
    /// The loop that watches the connection: it hears of changes of the configuration space, notices that the back-end has gone,
    /// and reconnects. Null watches nothing. The loop must run as long as the proxy lives, on a thread that runs none of its queues.
    /// </summary>
    public EventLoop? Loop { get; init; }

    /// <summary>
    /// How long to wait between attempts to reach a back-end that has gone; needs <see cref="Loop"/>, and a proxy made with a path.
    /// Null gives up at once.
    /// </summary>
    public TimeSpan? ReconnectDelay { get; init; }

    /// <summary>How long to try before giving up; Timeout.InfiniteTimeSpan for ever.</summary>
    public TimeSpan ReconnectTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>Where it is said that a back-end has gone and come back; null for nowhere.</summary>
    public ILogger? Logger { get; init; }
}
