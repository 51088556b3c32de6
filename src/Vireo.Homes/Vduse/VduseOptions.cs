using Microsoft.Extensions.Logging;
using Vireo.Core.Spec;

namespace Vireo.Homes.Vduse;

/// <summary>How a <see cref="VduseHome"/> behaves, where the usual is not wanted.</summary>
public sealed class VduseOptions
{
    /// <summary>Where the home says what the driver does; null for nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>
    /// The file that keeps what a successor of this process needs to go on with the device: its status, and the requests in flight.
    /// Null for <c>/dev/shm/vireo-vduse-NAME</c>, which lives as long as the device: to the next start of the host.
    /// </summary>
    public string? StatePath { get; init; }

    /// <summary>Features not to be offered, although the device has them: those that the kernel does not take.</summary>
    public FeatureSet WithheldFeatures { get; init; }

    /// <summary>
    /// Whether the buffers that the kernel copies through behind virtio-vdpa are memory of this process (Linux 6.0). They are locked,
    /// 64 MiB for a device unless the module was told otherwise, which RLIMIT_MEMLOCK must allow. Where that cannot be, they are pages of
    /// the kernel as without it, and the log says so.
    /// </summary>
    public bool OwnsBounceBuffers { get; init; }

    /// <summary>The clock; limits the lines of the log.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
