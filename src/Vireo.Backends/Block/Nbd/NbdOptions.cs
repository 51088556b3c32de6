namespace Vireo.Backends.Block.Nbd;

/// <summary>How an NBD export is used.</summary>
public sealed record NbdOptions
{
    /// <summary>Whether nothing is written, whatever the server allows.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Logical block size in bytes, 512 to 65,536; 0 for the smallest the server takes.</summary>
    public int LogicalBlockBytes { get; init; }

    /// <summary>Whether trim is offered.</summary>
    public bool AllowsDiscard { get; init; } = true;

    /// <summary>Whether every write is to be stable.</summary>
    public bool IsWriteThrough { get; init; }

    /// <summary>Whether flushes do nothing.</summary>
    public bool IsUnsafe { get; init; }

    /// <summary>How long requests wait for a lost connection to come back, from the moment it was lost; then they fail. Zero to fail at once.</summary>
    public TimeSpan ReconnectFor { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a server may take to answer while the connection is made.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a server may be silent when a queue is to stop, before the connection is given up and its requests fail.</summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Called with sentences about lost and new connections, on a thread of the client's; null for nobody.</summary>
    public Action<string>? Tell { get; init; }
}
