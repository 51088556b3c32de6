using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux.Events;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A device with a configuration space and several queues; answers by copying what it reads, now or when told.</summary>
internal sealed class ProbeDevice(int queueCount = 2, ushort sizeMax = 256)
    : EmulatedDevice([.. Enumerable.Range(0, queueCount).Select(index => new QueueTraits($"queue{index}", sizeMax))])
{
    public const int Feature = 3;
    public const int UnusableFeature = 4;

    private readonly byte[] _config = [.. Enumerable.Range(0, 24).Select(static value => (byte)value)];
    private volatile bool _isHolding;

    public override DeviceType Type => DeviceType.Console;

    public override FeatureSet OfferedFeatures => FeatureSet.Of(Feature, UnusableFeature);

    public override int ConfigLengthBytes => _config.Length;

    public FeatureSet LastAccepted { get; private set; }

    public int ResetCount { get; private set; }

    /// <summary>Requests taken and kept since <see cref="Hold"/>.</summary>
    public int HeldCount => Volatile.Read(ref _heldCount);

    private int _heldCount;

    public override void ReadConfig(int offset, Span<byte> destination)
    {
        destination.Clear();
        if (offset < _config.Length)
        {
            ReadOnlySpan<byte> rest = _config.AsSpan(offset);
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }

    public override void WriteConfig(int offset, ReadOnlySpan<byte> source) => source.CopyTo(_config.AsSpan(offset));

    public override void Accept(FeatureSet features)
    {
        if (features.Contains(UnusableFeature))
        {
            throw new DeviceException("the probe does not work with feature 4");
        }

        LastAccepted = features;
        base.Accept(features);
    }

    public override void Reset()
    {
        ResetCount++;
        base.Reset();
    }

    public void ChangeConfig() => NotifyConfigChanged();

    /// <summary>Keeps requests from now on.</summary>
    public void Hold() => _isHolding = true;

    /// <summary>Completes the requests of a queue that were kept.</summary>
    /// <param name="loop">The loop on which the queue runs.</param>
    /// <param name="queueIndex">Which queue.</param>
    public void Release(EventLoop loop, int queueIndex)
    {
        _isHolding = false;
        loop.Invoke(() => ((Handler?)HandlerOf(queueIndex))?.CompleteHeld());
    }

    protected override QueueHandler CreateHandler(int queueIndex) => new Handler(this);

    private sealed class Handler(ProbeDevice device) : QueueHandler
    {
        private readonly Queue<(ushort Head, uint Written)> _held = new();

        public void CompleteHeld()
        {
            while (_held.TryDequeue(out (ushort Head, uint Written) request))
            {
                Interlocked.Decrement(ref device._heldCount);
                Complete(request.Head, request.Written);
            }
        }

        protected override void OnSuspending()
        {
            while (_held.TryDequeue(out (ushort Head, uint Written) request))
            {
                Interlocked.Decrement(ref device._heldCount);
                Abandon(request.Head);
            }
        }

        protected override void Handle(in DescriptorChain chain)
        {
            ChainReader reader = chain.Reader;
            ChainWriter writer = chain.Writer;
            byte[] bytes = new byte[Math.Min(reader.Remaining, writer.Remaining)];
            reader.TryCopyTo(bytes);
            writer.TryCopyFrom(bytes);
            if (device._isHolding)
            {
                _held.Enqueue((chain.Head, writer.Written));
                Interlocked.Increment(ref device._heldCount);
            }
            else
            {
                Complete(chain.Head, writer.Written);
            }
        }
    }
}
