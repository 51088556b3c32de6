namespace Vireo.Linux.Memory;

/// <summary>What the kernel may assume about, or shall do with, a range of a mapping. The values are madvise's.</summary>
public enum MemoryAdvice
{
    /// <summary>Nothing special (MADV_NORMAL).</summary>
    Normal = 0,

    /// <summary>Reading ahead is of no use (MADV_RANDOM).</summary>
    Random = 1,

    /// <summary>Read ahead, and forget behind (MADV_SEQUENTIAL).</summary>
    Sequential = 2,

    /// <summary>Will be used soon (MADV_WILLNEED).</summary>
    WillNeed = 3,

    /// <summary>Drop this mapping's pages: anonymous memory reads as zeros then, a file is read again (MADV_DONTNEED).</summary>
    Drop = 4,

    /// <summary>Private anonymous pages may be freed when memory is short (MADV_FREE).</summary>
    Free = 8,

    /// <summary>Free the pages and the storage behind them: a hole in the file (MADV_REMOVE). Shared writable mappings only.</summary>
    Remove = 9,

    /// <summary>Not given to child processes (MADV_DONTFORK).</summary>
    NotInChildren = 10,

    /// <summary>Transparent huge pages are welcome (MADV_HUGEPAGE).</summary>
    HugePages = 14,

    /// <summary>Transparent huge pages are not wanted (MADV_NOHUGEPAGE).</summary>
    NoHugePages = 15,

    /// <summary>Not written into a core dump (MADV_DONTDUMP).</summary>
    NotInDumps = 16,

    /// <summary>Make the pages present for reading; errors are reported (MADV_POPULATE_READ, Linux 5.14).</summary>
    PopulateRead = 22,

    /// <summary>Make the pages present for writing; errors are reported (MADV_POPULATE_WRITE, Linux 5.14).</summary>
    PopulateWrite = 23,
}
