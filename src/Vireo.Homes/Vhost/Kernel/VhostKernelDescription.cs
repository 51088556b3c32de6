using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost.Kernel;

/// <summary>What the kernel does not say of a device whose queues it runs: all but the rings.</summary>
public sealed record VhostKernelDescription
{
    /// <summary>The device type.</summary>
    public required DeviceType Type { get; init; }

    /// <summary>The queues, in the order of their indices.</summary>
    public required IReadOnlyList<QueueTraits> Queues { get; init; }

    /// <summary>The configuration space; empty for none.</summary>
    public ReadOnlyMemory<byte> Config { get; init; }

    /// <summary>Features that need nothing of the kernel, such as that a field of the configuration is there.</summary>
    public FeatureSet Features { get; init; }

    /// <summary>Features of the kernel's that are not to be offered, because something beside the kernel would have to know of them.</summary>
    public FeatureSet WithheldFeatures { get; init; }

    /// <summary>How the kernel is told to run the rings.</summary>
    public required IVhostRings Rings { get; init; }
}
