namespace Vireo.Backends.Block.Qcow2;

/// <summary>What a check of an image has found; the names are those of qemu-img.</summary>
public sealed record Qcow2CheckResult
{
    /// <summary>Behind the last cluster that counts as used, in bytes.</summary>
    public long ImageEndOffset { get; init; }

    /// <summary>Clusters of the disk.</summary>
    public long TotalClusters { get; init; }

    /// <summary>Those with room of their own.</summary>
    public long AllocatedClusters { get; init; }

    /// <summary>Those that do not follow the one before them in the file.</summary>
    public long FragmentedClusters { get; init; }

    /// <summary>Those that are compressed.</summary>
    public long CompressedClusters { get; init; }

    /// <summary>Clusters that count as used more often than they are.</summary>
    public long Leaks { get; init; }

    /// <summary>Places where the image is wrong.</summary>
    public long Corruptions { get; init; }

    /// <summary>Leaks that were repaired.</summary>
    public long LeaksFixed { get; init; }

    /// <summary>Wrong places that were repaired.</summary>
    public long CorruptionsFixed { get; init; }

    /// <summary>The first of what is wrong, one sentence each.</summary>
    public IReadOnlyList<string> Messages { get; init; } = [];
}
