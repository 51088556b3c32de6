namespace Vireo.Core.Memory;

/// <summary>What a device wants to do, or may do, with a range of guest memory.</summary>
[Flags]
public enum MemoryAccess
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Read it.</summary>
    Read = 1,

    /// <summary>Write it.</summary>
    Write = 2,

    /// <summary>Read and write it.</summary>
    ReadWrite = Read | Write,
}
