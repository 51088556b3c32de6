using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;

namespace Vireo.Benchmarks.Homes;

/// <summary>The vhost-user home, and our front-end before it: kicks and calls are event descriptors.</summary>
internal sealed class VhostUserUnderLoad : SocketUnderLoad, IDeviceHost
{
    private readonly VhostUserProxy _proxy;
    private readonly EventFdSignal _kick = new(EventFd.Create());

    public VhostUserUnderLoad()
    {
        var home = VhostUserHome.Listen(SocketPath, Device, Loops);
        Serve(home, home.Run, home.Stop);
        _proxy = VhostUserProxy.Connect(SocketPath, DeviceType.Block);
        DeviceLifecycle lifecycle = new(_proxy, FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex));
        lifecycle.Attach(this, Memory.Memory);
        FeatureSet wanted = FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex) & lifecycle.Offered;
        if (!lifecycle.TryNegotiate(wanted, out string? refusal))
        {
            throw new InvalidOperationException(refusal);
        }

        Begin(lifecycle.Negotiated);
        lifecycle.StartQueue(new(0, Areas, QueueState.Fresh, _kick, new EventFdSignal(Call)));
    }

    public override void Kick() => _kick.Notify();

    public IQueueLoop LoopFor(int queueIndex) => throw new NotSupportedException("the queue runs behind the socket");

    public void NotifyConfigChanged() { }

    public void ReportFault(int queueIndex, QueueFault fault) => ReportLoss($"queue {queueIndex}: {fault}");

    public void ReportLoss(string reason) => Console.Error.WriteLine(reason);

    protected override void Disconnect()
    {
        _proxy.Dispose();
        _kick.Descriptor.Dispose();
    }
}
