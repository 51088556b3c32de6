using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;

namespace Vireo.Tests.Fakes;

/// <summary>A block device that does nothing but keep what a driver asks of it, byte for byte, and say that it is done.</summary>
internal sealed class RecordingBlockDevice(FeatureSet offered, byte[] config)
    : EmulatedDevice(new QueueTraits("requestq1"))
{
    private readonly Lock _gate = new();
    private readonly List<RecordedRequest> _requests = [];

    public override DeviceType Type => DeviceType.Block;

    public override FeatureSet OfferedFeatures => offered;

    public override int ConfigLengthBytes => config.Length;

    /// <summary>What was accepted; null before that.</summary>
    public FeatureSet? Accepted { get; private set; }

    /// <summary>Whether the driver read the configuration space before the features were settled.</summary>
    public bool WasReadTooEarly { get; private set; }

    /// <summary>The requests so far.</summary>
    public RecordedRequest[] Requests
    {
        get
        {
            lock (_gate)
            {
                return [.. _requests];
            }
        }
    }

    public override void ReadConfig(int offset, Span<byte> destination)
    {
        WasReadTooEarly |= Accepted is null;
        destination.Clear();
        config.AsSpan(offset, Math.Min(destination.Length, config.Length - offset)).CopyTo(destination);
    }

    public override void Accept(FeatureSet features)
    {
        base.Accept(features);
        Accepted = features;
    }

    protected override QueueHandler CreateHandler(int queueIndex) => new Handler(this);

    private void Note(RecordedRequest request)
    {
        lock (_gate)
        {
            _requests.Add(request);
        }
    }

    private sealed class Handler(RecordingBlockDevice device) : QueueHandler
    {
        protected override void Handle(in DescriptorChain chain)
        {
            ChainReader reader = chain.Reader;
            ChainWriter writer = chain.Writer;
            byte[] readable = new byte[reader.Remaining];
            Assert.True(reader.TryCopyTo(readable));
            int writable = (int)writer.Remaining;
            device.Note(new(readable, writable));
            Assert.True(writer.TrySkip((uint)writable - 1));
            Assert.True(writer.TryCopyFrom([(byte)BlockStatus.Ok]));
            Complete(chain.Head, (uint)writable);
        }
    }
}
