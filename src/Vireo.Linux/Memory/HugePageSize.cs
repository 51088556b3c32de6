namespace Vireo.Linux.Memory;

/// <summary>Which pages a memory file consists of.</summary>
public enum HugePageSize
{
    /// <summary>The ordinary ones.</summary>
    None,

    /// <summary>Huge pages of the system's default size.</summary>
    Default,

    /// <summary>Huge pages of 2 MiB.</summary>
    TwoMebibytes,

    /// <summary>Huge pages of 1 GiB.</summary>
    OneGibibyte,
}
