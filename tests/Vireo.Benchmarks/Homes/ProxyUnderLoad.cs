using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux.Events;

namespace Vireo.Benchmarks.Homes;

/// <summary>A home whose device comes back to this process as a <see cref="VirtioDevice"/>: kicks and calls are event descriptors.</summary>
internal abstract class ProxyUnderLoad : SocketUnderLoad, IDeviceHost
{
    private readonly EventFdSignal _kick = new(EventFd.Create());
    private VirtioDevice _proxy = null!;

    public override void Kick() => _kick.Notify();

    public IQueueLoop LoopFor(int queueIndex) => throw new NotSupportedException("the queue runs behind the proxy");

    public void NotifyConfigChanged() { }

    public void ReportFault(int queueIndex, QueueFault fault) => ReportLoss($"queue {queueIndex}: {fault}");

    public void ReportLoss(string reason) => Console.Error.WriteLine(reason);

    /// <summary>Drives a device, which becomes this object's.</summary>
    protected void Drive(VirtioDevice proxy)
    {
        _proxy = proxy;
        var rings = FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex);
        var lifecycle = new DeviceLifecycle(proxy, rings & proxy.RingFeatures);
        lifecycle.Attach(this, Memory.Memory);
        if (!lifecycle.TryNegotiate(rings & lifecycle.Offered, out string? refusal))
        {
            throw new InvalidOperationException(refusal);
        }

        Begin(lifecycle.Negotiated);
        lifecycle.StartQueue(new(0, Areas, QueueState.Fresh, _kick, new EventFdSignal(Call)));
    }

    protected override void Disconnect()
    {
        _proxy.Dispose();
        _kick.Descriptor.Dispose();
    }
}
