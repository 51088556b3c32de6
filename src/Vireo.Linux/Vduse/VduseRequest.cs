using System.Runtime.InteropServices;

namespace Vireo.Linux.Vduse;

/// <summary>A message of the kernel to a VDUSE device.</summary>
/// <param name="Id">Goes into the answer.</param>
/// <param name="Kind">What is asked; decides which of the following mean something.</param>
/// <param name="Queue">Which queue.</param>
/// <param name="Status">The device status.</param>
/// <param name="First">First address of a range.</param>
/// <param name="Last">Its last address.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VduseRequest(
    uint Id,
    VduseRequestKind Kind,
    uint Queue = 0,
    byte Status = 0,
    ulong First = 0,
    ulong Last = 0
);
