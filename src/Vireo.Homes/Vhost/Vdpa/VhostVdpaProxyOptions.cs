using Vireo.Linux.Events;

namespace Vireo.Homes.Vhost.Vdpa;

/// <summary>How a <see cref="VhostVdpaProxy"/> behaves.</summary>
public sealed record VhostVdpaProxyOptions
{
    /// <summary>
    /// The loop that hears of changes of the configuration space. It must run as long as the proxy lives. Null does not listen.
    /// </summary>
    public EventLoop? Loop { get; init; }
}
