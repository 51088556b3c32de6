namespace Vireo.Linux.Sockets;

/// <summary>Who may connect to a listener.</summary>
public sealed class UnixListenerOptions
{
    /// <summary>Permission bits of the socket, 0 to 0777 (octal); null for what the process' umask leaves.</summary>
    public int? Mode { get; init; }

    /// <summary>Group the socket is given to; null for the process' own. See <see cref="GroupDatabase"/> for names.</summary>
    public uint? GroupId { get; init; }

    /// <summary>Connections that may wait to be accepted, 1 to 4096 (the system may allow fewer).</summary>
    public int Backlog { get; init; } = 16;
}
