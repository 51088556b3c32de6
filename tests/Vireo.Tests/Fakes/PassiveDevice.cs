using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Fakes;

/// <summary>A device that only remembers what it is told; its rings can do what the test says.</summary>
internal sealed class PassiveDevice(FeatureSet offered, FeatureSet rings) : VirtioDevice
{
    public override DeviceType Type => DeviceType.Entropy;

    public override FeatureSet OfferedFeatures => offered;

    public override FeatureSet RingFeatures => rings;

    public override IReadOnlyList<QueueTraits> Queues { get; } = [new("requestq")];

    public override int ConfigLengthBytes => 0;

    public IDeviceHost? Host { get; private set; }

    public override void ReadConfig(int offset, Span<byte> destination) => destination.Clear();

    public override void Attach(IDeviceHost host, GuestMemory memory) => Host = host;

    public override void StartQueue(in QueueSetup setup) { }

    public override QueueState? StopQueue(int index) => null;

    public override void Reset() { }
}
