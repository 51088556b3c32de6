using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>What a mapping may be used for.</summary>
[Flags]
public enum MappingAccess
{
    /// <summary>Nothing: address space that is only reserved.</summary>
    None = 0,

    /// <summary>Reading.</summary>
    Read = LibC.PROT_READ,

    /// <summary>Writing.</summary>
    Write = LibC.PROT_WRITE,

    /// <summary>Both.</summary>
    ReadWrite = Read | Write,
}
