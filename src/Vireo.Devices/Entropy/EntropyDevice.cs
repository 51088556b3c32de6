using Vireo.Core.Contract;
using Vireo.Core.Spec;

namespace Vireo.Devices.Entropy;

/// <summary>The entropy device: fills the driver's buffers with randomness (VIRTIO 1.4 §5.4).</summary>
/// <remarks>The smallest complete device, and the model to copy for a new one.</remarks>
public sealed class EntropyDevice : EmulatedDevice
{
    private readonly IEntropyBackend _backend;

    /// <summary>Makes a device that gives out what a backend delivers.</summary>
    /// <param name="backend">Where the randomness comes from; stays the caller's.</param>
    public EntropyDevice(IEntropyBackend backend)
        : base(new QueueTraits("requestq")) => _backend = backend;

    /// <inheritdoc/>
    public override DeviceType Type => DeviceType.Entropy;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures => FeatureSet.Empty;

    /// <inheritdoc/>
    protected override QueueHandler CreateHandler(int queueIndex) => new EntropyQueueHandler(_backend);
}
