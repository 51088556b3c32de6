namespace Vireo.Backends.Block.Qcow2;

/// <summary>A state of the disk that an image keeps beside the present one.</summary>
/// <param name="Id">Its short name, unique in the image.</param>
/// <param name="Name">Its name.</param>
/// <param name="L1Offset">Where its first-level table lies.</param>
/// <param name="L1Entries">Entries of that table.</param>
/// <param name="LengthBytes">Size of the disk at that time.</param>
/// <param name="Seconds">When it was made, since 1970.</param>
/// <param name="Nanoseconds">The rest of a second.</param>
/// <param name="ClockNanoseconds">How long the guest had run.</param>
/// <param name="StateBytes">Bytes of the guest's state.</param>
/// <param name="InstructionCount">How many instructions the guest had run; null when nobody has counted.</param>
public sealed record Qcow2Snapshot(
    string Id,
    string Name,
    long L1Offset,
    int L1Entries,
    long LengthBytes,
    uint Seconds,
    uint Nanoseconds,
    ulong ClockNanoseconds,
    long StateBytes,
    ulong? InstructionCount
);
