namespace Vireo.Backends.Block.Raw;

/// <summary>How a file or block device is opened as a disk.</summary>
public sealed record RawDiskOptions
{
    /// <summary>Whether it is opened for reading only.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>What the host does with written data.</summary>
    public CacheMode Cache { get; init; } = CacheMode.Writeback;

    /// <summary>How it is read and written.</summary>
    public EngineChoice Engine { get; init; } = EngineChoice.Auto;

    /// <summary>
    /// Whether the guest's memory is registered with io_uring, which pins all of it. For the modes without the page cache. Not for guests
    /// whose memory may be taken away while they run (a balloon, free page reporting, unplugging): what is pinned stays the page it was.
    /// </summary>
    public bool RegistersMemory { get; init; }

    /// <summary>Whether the device is asked for completions, where it lets itself be asked (IOPOLL), instead of interrupting. For the modes
    /// without the page cache.</summary>
    public bool PollsDevice { get; init; }

    /// <summary>Called, on any thread, with a sentence about what the host does not allow although it was asked for; null for nobody.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>Whether other programs that heed QEMU's image locks are kept from writing to it at the same time.</summary>
    public bool IsLocked { get; init; } = true;

    /// <summary>Whether discard frees storage; false offers none.</summary>
    public bool AllowsDiscard { get; init; } = true;

    /// <summary>Whether secure erase is offered. The kernel does not tell whether a device has it; files never do.</summary>
    public bool HasSecureErase { get; init; }

    /// <summary>Logical block size in bytes, 512 to 65,536; 0 for that of the device, and 512 for a file.</summary>
    public int LogicalBlockBytes { get; init; }

    /// <summary>Most worker threads, 1 to 64.</summary>
    public int ThreadsMax { get; init; } = 8;
}
