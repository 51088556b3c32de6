using Vireo.Backends.Block.Null;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Homes.Loopback;

namespace Vireo.Benchmarks.Homes;

/// <summary>Driver and device take turns on one thread.</summary>
internal sealed class LoopbackUnderLoad : HomeUnderLoad
{
    private readonly BlockDevice _device = new(new NullDisk(HomesBenchmark.CapacitySectors));
    private readonly LoopbackHome _home;

    public LoopbackUnderLoad() =>
        _home = LoopbackHome.Open(
            _device,
            new() { RingFeatures = FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex), QueueSize = QueueSize }
        );

    public override DriverQueue Queue => _home.Queue(0);

    public override GuestRange Allocate(uint lengthBytes) => _home.Allocate(lengthBytes);

    public override void Kick() => _home.Kick(0);

    public override void Wait() => _home.Run();

    public override void Dispose()
    {
        _home.Dispose();
        _device.Dispose();
    }
}
