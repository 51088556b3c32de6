namespace Vireo.Linux.Memory;

/// <summary>What a mapping may be used for.</summary>
[Flags]
public enum MappingAccess
{
    /// <summary>Nothing: address space that is only reserved.</summary>
    None = 0,

    /// <summary>Reading.</summary>
    Read = 1,

    /// <summary>Writing.</summary>
    Write = 2,

    /// <summary>Both.</summary>
    ReadWrite = Read | Write,
}
