namespace Vireo.Backends.Block.Qcow2;

/// <summary>A second-level table in memory. Changed under both locks of its image.</summary>
/// <param name="l1Index">Its place in the first-level table.</param>
/// <param name="words">Its entries in the order of this machine: one word each, or two with extended entries.</param>
internal sealed class L2Table(int l1Index, ulong[] words)
{
    /// <summary>Its place in the first-level table.</summary>
    public int L1Index { get; } = l1Index;

    /// <summary>Its entries in the order of this machine.</summary>
    public ulong[] Words { get; } = words;

    /// <summary>Where it lies in the file.</summary>
    public long HostOffset { get; set; }

    /// <summary>Entries that name a place where no data can be; null for none.</summary>
    public HashSet<int>? BadEntries { get; set; }

    /// <summary>The words that are not in the file yet: first, and behind the last.</summary>
    public int DirtyFirst { get; private set; } = int.MaxValue;
    public int DirtyEnd { get; private set; }

    /// <summary>Whether some are not in the file yet.</summary>
    public bool IsDirty => DirtyFirst < DirtyEnd;

    /// <summary>Whether it was used since somebody looked for one to forget.</summary>
    public bool IsUsed { get; set; } = true;

    /// <summary>Notes that words have changed.</summary>
    public void MarkDirty(int first, int count)
    {
        DirtyFirst = Math.Min(DirtyFirst, first);
        DirtyEnd = Math.Max(DirtyEnd, first + count);
    }

    /// <summary>Notes that all words are in the file.</summary>
    public void MarkClean()
    {
        DirtyFirst = int.MaxValue;
        DirtyEnd = 0;
    }
}
