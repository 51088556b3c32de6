namespace Vireo.Linux.Files;

/// <summary>What to do with the storage of a range of a file. The values are fallocate's.</summary>
[Flags]
public enum AllocateMode
{
    /// <summary>Allocate it, and let the file grow if the range ends behind its end.</summary>
    Allocate = 0,

    /// <summary>With others: the file does not grow.</summary>
    KeepSize = 0x1,

    /// <summary>Free it; the range reads as zeros (FALLOC_FL_PUNCH_HOLE, which wants KeepSize).</summary>
    PunchHole = 0x2 | KeepSize,

    /// <summary>Make it read as zeros, preferably without writing them, and keep it allocated (FALLOC_FL_ZERO_RANGE).</summary>
    ZeroRange = 0x10,
}
