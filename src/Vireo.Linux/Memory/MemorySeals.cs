using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>What can be forbidden for ever on a memory file. The values are the kernel's (F_SEAL_*).</summary>
[Flags]
public enum MemorySeals
{
    /// <summary>Nothing is forbidden.</summary>
    None = 0,

    /// <summary>Further seals.</summary>
    Seal = LibC.F_SEAL_SEAL,

    /// <summary>Becoming smaller: with it, no access inside the size can raise SIGBUS.</summary>
    Shrink = LibC.F_SEAL_SHRINK,

    /// <summary>Becoming larger.</summary>
    Grow = LibC.F_SEAL_GROW,

    /// <summary>Writing; refused while a writable shared mapping exists.</summary>
    Write = LibC.F_SEAL_WRITE,
}
