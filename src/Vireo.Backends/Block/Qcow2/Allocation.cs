using System.Runtime.InteropServices;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>Where a step of a write goes.</summary>
/// <param name="Host">In the file: of the first byte when it is in place, else of the first cluster.</param>
/// <param name="LengthBytes">Bytes of the step.</param>
/// <param name="Start">First byte of the disk that has to be written.</param>
/// <param name="End">Behind the last one.</param>
/// <param name="IsInPlace">Whether the table names the place already.</param>
/// <param name="IsFresh">Whether nothing was ever written there.</param>
/// <param name="Token">What ends the access, when it is in place.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Allocation(
    long Host,
    int LengthBytes,
    long Start,
    long End,
    bool IsInPlace,
    bool IsFresh,
    int Token
);
