using Vireo.Core.Spec;

namespace Vireo.Cli.Inspect;

/// <summary>What a vhost-user back-end said about itself.</summary>
internal sealed record BackEndReport
{
    /// <summary>The socket it was found on.</summary>
    public required string Path { get; init; }

    /// <summary>Number of the process that made the socket; 0 when the kernel does not say.</summary>
    public int ProcessId { get; init; }

    /// <summary>That process' words; empty when they may not be read.</summary>
    public string ProcessCommand { get; init; } = "";

    /// <summary>The device type the user named; null for none.</summary>
    public DeviceDescription? Device { get; init; }

    /// <summary>The virtio features on offer.</summary>
    public FeatureSet Features { get; init; }

    /// <summary>Whether there are protocol features at all.</summary>
    public bool HasProtocolFeatures { get; init; }

    /// <summary>The protocol features on offer.</summary>
    public FeatureSet ProtocolFeatures { get; init; }

    /// <summary>How many queues there are; null when it cannot say.</summary>
    public int? QueueCount { get; init; }

    /// <summary>The device status; null when it does not keep it.</summary>
    public DeviceStatus? Status { get; init; }

    /// <summary>The configuration space as far as it could be read; empty when there is none.</summary>
    public byte[] Config { get; init; } = [];

    /// <summary>Why the configuration space could not be read; null when it could, or was not asked for.</summary>
    public string? ConfigRefusal { get; init; }
}
