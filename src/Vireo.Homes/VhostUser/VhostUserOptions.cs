using Microsoft.Extensions.Logging;

namespace Vireo.Homes.VhostUser;

/// <summary>How a vhost-user home behaves, where the usual is not wanted.</summary>
public sealed class VhostUserOptions
{
    /// <summary>Where the home says what its peers do; null for nowhere.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Permission bits of the socket, 0 to 0777 (octal); null for what the process' umask leaves.</summary>
    public int? SocketMode { get; init; }

    /// <summary>Group the socket is given to; null for the process' own.</summary>
    public uint? SocketGroupId { get; init; }

    /// <summary>
    /// Protocol features not to be offered, although the home and the device have them: one bit for each, as numbered in the
    /// protocol. For front-ends that accept what they then do not keep to.
    /// </summary>
    public ulong WithheldProtocolFeatures { get; init; }

    /// <summary>The clock; limits the lines of the log.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
