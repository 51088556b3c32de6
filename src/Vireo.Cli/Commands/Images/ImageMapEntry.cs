using System.Runtime.InteropServices;

namespace Vireo.Cli.Commands.Images;

/// <summary>A range of a disk, as qemu-img tells of it.</summary>
/// <param name="Start">First byte on the disk.</param>
/// <param name="LengthBytes">Length.</param>
/// <param name="Depth">Which image of the chain has it: 0 is the one that was named.</param>
/// <param name="IsPresent">Whether one of them has.</param>
/// <param name="IsZero">Whether it reads as zeroes without being looked for.</param>
/// <param name="IsCompressed">Whether it is compressed.</param>
/// <param name="FileOffset">Where it is in that image's file; -1 for nowhere.</param>
/// <param name="Path">That image's file.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ImageMapEntry(
    long Start,
    long LengthBytes,
    int Depth,
    bool IsPresent,
    bool IsZero,
    bool IsCompressed,
    long FileOffset,
    string Path
);
