using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>What to do with the storage of a range of a file. The values are fallocate's.</summary>
[Flags]
public enum AllocateMode
{
    /// <summary>Allocate it, and let the file grow if the range ends behind its end.</summary>
    Allocate = 0,

    /// <summary>With others: the file does not grow.</summary>
    KeepSize = LibC.FALLOC_FL_KEEP_SIZE,

    /// <summary>Free it; the range reads as zeros (FALLOC_FL_PUNCH_HOLE, which wants KeepSize).</summary>
    PunchHole = LibC.FALLOC_FL_PUNCH_HOLE | KeepSize,

    /// <summary>Make it read as zeros, preferably without writing them, and keep it allocated (FALLOC_FL_ZERO_RANGE).</summary>
    ZeroRange = LibC.FALLOC_FL_ZERO_RANGE,
}
