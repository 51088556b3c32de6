using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Transports;

/// <summary>A device that does nothing and remembers everything it was told.</summary>
internal sealed class ProbeDevice : VirtioDevice
{
    public ProbeDevice(params int[] queueSizes) =>
        Queues = [.. queueSizes.Select(static (size, index) => new QueueTraits($"q{index}", (ushort)size))];

    public override DeviceType Type => TypeValue;

    public DeviceType TypeValue { get; init; } = DeviceType.Block;

    public override FeatureSet OfferedFeatures => Features;

    public FeatureSet Features { get; init; }

    public override IReadOnlyList<QueueTraits> Queues { get; }

    public override IReadOnlyList<SharedRegion> SharedRegions => Regions;

    public IReadOnlyList<SharedRegion> Regions { get; init; } = [];

    public override int ConfigLengthBytes => Config.Length;

    /// <summary>The configuration space; tests change it in place.</summary>
    public byte[] Config { get; init; } = [];

    public List<QueueSetup> Started { get; } = [];

    public List<int> Stopped { get; } = [];

    public HashSet<int> Running { get; } = [];

    public List<(int Offset, byte[] Bytes)> ConfigWrites { get; } = [];

    public int Resets { get; private set; }

    public FeatureSet Accepted { get; private set; }

    public IDeviceHost Host { get; private set; } = null!;

    public GuestMemory Memory { get; private set; } = null!;

    /// <summary>Called while a queue is being stopped.</summary>
    public Action<int> Stopping { get; set; } = static _ => { };

    /// <summary>What a stopped queue says of itself; null as if whoever ran it had died.</summary>
    public QueueState? StateAtStop { get; set; } = new QueueState(7, 7);

    /// <summary>Why the device refuses features; null to take them.</summary>
    public string? Refusal { get; set; }

    /// <summary>Why the device refuses to start queues; null to start them.</summary>
    public string? StartRefusal { get; set; }

    public override void ReadConfig(int offset, Span<byte> destination)
    {
        destination.Clear();
        if (offset < Config.Length)
        {
            ReadOnlySpan<byte> rest = Config.AsSpan(offset);
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }

    public override void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        ConfigWrites.Add((offset, source.ToArray()));
        source.CopyTo(Config.AsSpan(offset));
    }

    public override void Attach(IDeviceHost host, GuestMemory memory)
    {
        Assert.Empty(Running);
        Host = host;
        Memory = memory;
    }

    public override void Accept(FeatureSet features)
    {
        if (Refusal is not null)
        {
            throw new DeviceException(Refusal);
        }

        Accepted = features;
    }

    public override void StartQueue(in QueueSetup setup)
    {
        if (StartRefusal is not null)
        {
            throw new RingException(StartRefusal);
        }

        Assert.True(Running.Add(setup.Index), "a queue was started twice");
        Started.Add(setup);
    }

    public override QueueState? StopQueue(int index)
    {
        Assert.True(Running.Contains(index), "a queue was stopped that does not run");
        Stopping(index);
        Running.Remove(index);
        Stopped.Add(index);
        return StateAtStop;
    }

    public override void Reset()
    {
        Assert.Empty(Running);
        Resets++;
        Accepted = FeatureSet.Empty;
    }
}
