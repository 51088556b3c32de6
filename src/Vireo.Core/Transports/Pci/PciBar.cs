using System.Runtime.InteropServices;

namespace Vireo.Core.Transports.Pci;

/// <summary>One base address register of a function: a range of memory space.</summary>
/// <param name="LengthBytes">Length in bytes: a power of two from 16; 0 for a register that is not there.</param>
/// <param name="Is64Bit">Whether the register is 64 bits wide, takes the next index too, and is prefetchable.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PciBar(ulong LengthBytes, bool Is64Bit);
