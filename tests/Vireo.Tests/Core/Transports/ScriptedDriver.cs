using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports;

namespace Vireo.Tests.Core.Transports;

/// <summary>A driver whose device answers from a script, and that writes down what it was told.</summary>
internal sealed class ScriptedDriver : TransportDriver
{
    private DeviceStatus _status;

    /// <summary>What the status reads as in turn; when there is nothing left, as what was written last.</summary>
    public Queue<DeviceStatus> Statuses { get; } = [];

    /// <summary>What the generation of the configuration space reads as in turn; the last for ever.</summary>
    public Queue<uint> Generations { get; } = new([0]);

    /// <summary>What each reading of the configuration space finds, byte by byte the same; the last for ever.</summary>
    public Queue<byte> Contents { get; } = new([0]);

    public FeatureSet Offered { get; init; } = FeatureSet.Of(CoreFeature.Version1, CoreFeature.Suspend);

    /// <summary>Whether the device takes the driver's choice.</summary>
    public bool TakesFeatures { get; set; } = true;

    /// <summary>The writes of the status field, in order.</summary>
    public List<DeviceStatus> Written { get; } = [];

    /// <summary>How often the status was read.</summary>
    public int StatusReads { get; private set; }

    public override uint DeviceId => 2;

    public override DeviceStatus Status
    {
        get
        {
            StatusReads++;
            return Statuses.TryDequeue(out DeviceStatus status) ? status : _status;
        }
    }

    public override ushort ReadSizeMax(int index) => 8;

    public override void EnableQueue(int index, in QueueAreas areas) { }

    public override void WriteStatus(DeviceStatus status)
    {
        Written.Add(status);
        _status = TakesFeatures ? status : status & ~DeviceStatus.FeaturesOk;
    }

    protected override void WriteKick(int index, ushort nextOffset, bool nextWrap) { }

    protected override uint ReadDeviceFeatures(uint word) => Offered.Word(word);

    protected override void WriteDriverFeatures(uint word, uint features) { }

    protected override void WriteQueueReset(int index) { }

    protected override bool IsQueueResetting(int index) => false;

    protected override uint ReadGeneration() => Next(Generations);

    protected override void ReadConfigField(int offset, Span<byte> destination) => destination.Fill(Next(Contents));

    protected override void WriteConfigField(int offset, ReadOnlySpan<byte> source) { }

    private static T Next<T>(Queue<T> values) => values.Count > 1 ? values.Dequeue() : values.Peek();
}
