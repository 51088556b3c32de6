using Vireo.Core.Contract;
using Vireo.Core.Transports;

namespace Vireo.Core.Admin;

/// <summary>A transport's host, less the administration virtqueue: nobody outside the function sees that queue's kicks or runs it.</summary>
internal sealed class AdministeredHost(ITransportHost host, AdministeredDevice device) : ITransportHost
{
    /// <inheritdoc/>
    public bool HasWritesInFlight => host.HasWritesInFlight;

    /// <inheritdoc/>
    public IQueueLoop LoopFor(int queueIndex) => host.LoopFor(queueIndex);

    /// <inheritdoc/>
    public ISignal KickFor(int queueIndex) => queueIndex == device.AdminIndex ? device.Kick : host.KickFor(queueIndex);

    /// <inheritdoc/>
    public void OnNeedsReset(string reason) => host.OnNeedsReset(reason);
}
