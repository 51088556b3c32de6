using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Drivers;

/// <summary>A device that writes down what a driver does to it, in order.</summary>
internal sealed class WitnessDevice(FeatureSet offered, FeatureSet rings) : VirtioDevice
{
    private GuestMemory? _memory;

    public override DeviceType Type => DeviceType.Entropy;

    public override FeatureSet OfferedFeatures => offered;

    public override FeatureSet RingFeatures => rings;

    public override IReadOnlyList<QueueTraits> Queues { get; } = [new("requestq")];

    /// <summary>Longer than any driver of this type needs.</summary>
    public override int ConfigLengthBytes => 256;

    /// <summary>What happened.</summary>
    public List<string> Events { get; } = [];

    /// <summary>What the driver accepted.</summary>
    public FeatureSet Accepted { get; private set; }

    /// <summary>What the queue was started with.</summary>
    public QueueSetup? Setup { get; private set; }

    /// <summary>Whether the ring could still be read when the device was reset.</summary>
    public bool HadRingAtReset { get; private set; }

    /// <summary>Why features are refused; null takes them.</summary>
    public string? Refusal { get; init; }

    public override void ReadConfig(int offset, Span<byte> destination)
    {
        Events.Add("read config");
        destination.Clear();
    }

    public override void WriteConfig(int offset, ReadOnlySpan<byte> source) => Events.Add("write config");

    public override void Attach(IDeviceHost host, GuestMemory memory)
    {
        Events.Add("attach");
        _memory = memory;
    }

    public override void Accept(FeatureSet features)
    {
        Events.Add("accept");
        Accepted = features;
        if (Refusal is not null)
        {
            throw new DeviceException(Refusal);
        }
    }

    public override void StartQueue(in QueueSetup setup)
    {
        Events.Add("start");
        Setup = setup;
    }

    public override QueueState? StopQueue(int index)
    {
        Events.Add("stop");
        return Setup?.State;
    }

    public override void Reset()
    {
        Events.Add("reset");
        HadRingAtReset = Setup is { } setup && _memory!.TryRead(setup.Areas.Descriptors, new byte[16]);
    }

    protected override void Dispose(bool disposing)
    {
        Events.Add("dispose");
        base.Dispose(disposing);
    }
}
