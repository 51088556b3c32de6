namespace Vireo.Linux.Memory;

/// <summary>What can be forbidden for ever on a memory file. The values are the kernel's (F_SEAL_*).</summary>
[Flags]
public enum MemorySeals
{
    /// <summary>Nothing is forbidden.</summary>
    None = 0,

    /// <summary>Further seals.</summary>
    Seal = 0x1,

    /// <summary>Becoming smaller: with it, no access inside the size can raise SIGBUS.</summary>
    Shrink = 0x2,

    /// <summary>Becoming larger.</summary>
    Grow = 0x4,

    /// <summary>Writing; refused while a writable shared mapping exists.</summary>
    Write = 0x8,
}
