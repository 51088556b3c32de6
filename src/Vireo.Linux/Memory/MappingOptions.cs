namespace Vireo.Linux.Memory;

/// <summary>How memory is mapped.</summary>
[Flags]
public enum MappingOptions
{
    /// <summary>Shared with whoever maps the same file; pages come on first use.</summary>
    None = 0,

    /// <summary>All pages are made present at once (MAP_POPULATE), as far as there is memory.</summary>
    Populate = 1,

    /// <summary>Writes stay with this mapping and do not reach the file (MAP_PRIVATE).</summary>
    CopyOnWrite = 2,

    /// <summary>No swap space is reserved (MAP_NORESERVE): the promise is broken only when pages are used.</summary>
    NoReserve = 4,

    /// <summary>Huge pages of the system's default size (MAP_HUGETLB); anonymous mappings only.</summary>
    HugePages = 8,
}
