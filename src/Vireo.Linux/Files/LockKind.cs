using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>Kinds of locks on a range of a file.</summary>
public enum LockKind
{
    /// <summary>Many may hold it, as long as nobody holds an exclusive one.</summary>
    Shared = LibC.F_RDLCK,

    /// <summary>One may hold it, and nobody else any.</summary>
    Exclusive = LibC.F_WRLCK,

    /// <summary>No lock.</summary>
    None = LibC.F_UNLCK,
}
