using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>What the kernel may assume about, or shall do with, a range of a mapping. The values are madvise's.</summary>
public enum MemoryAdvice
{
    /// <summary>Nothing special (MADV_NORMAL).</summary>
    Normal = LibC.MADV_NORMAL,

    /// <summary>Reading ahead is of no use (MADV_RANDOM).</summary>
    Random = LibC.MADV_RANDOM,

    /// <summary>Read ahead, and forget behind (MADV_SEQUENTIAL).</summary>
    Sequential = LibC.MADV_SEQUENTIAL,

    /// <summary>Will be used soon (MADV_WILLNEED).</summary>
    WillNeed = LibC.MADV_WILLNEED,

    /// <summary>Drop this mapping's pages: anonymous memory reads as zeros then, a file is read again (MADV_DONTNEED).</summary>
    Drop = LibC.MADV_DONTNEED,

    /// <summary>Private anonymous pages may be freed when memory is short (MADV_FREE).</summary>
    Free = LibC.MADV_FREE,

    /// <summary>Free the pages and the storage behind them: a hole in the file (MADV_REMOVE). Shared writable mappings only.</summary>
    Remove = LibC.MADV_REMOVE,

    /// <summary>Not given to child processes (MADV_DONTFORK).</summary>
    NotInChildren = LibC.MADV_DONTFORK,

    /// <summary>Transparent huge pages are welcome (MADV_HUGEPAGE).</summary>
    HugePages = LibC.MADV_HUGEPAGE,

    /// <summary>Transparent huge pages are not wanted (MADV_NOHUGEPAGE).</summary>
    NoHugePages = LibC.MADV_NOHUGEPAGE,

    /// <summary>Not written into a core dump (MADV_DONTDUMP).</summary>
    NotInDumps = LibC.MADV_DONTDUMP,

    /// <summary>Make the pages present for reading; errors are reported (MADV_POPULATE_READ, Linux 5.14).</summary>
    PopulateRead = LibC.MADV_POPULATE_READ,

    /// <summary>Make the pages present for writing; errors are reported (MADV_POPULATE_WRITE, Linux 5.14).</summary>
    PopulateWrite = LibC.MADV_POPULATE_WRITE,
}
