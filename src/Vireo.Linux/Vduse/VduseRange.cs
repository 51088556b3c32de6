using System.Runtime.InteropServices;

namespace Vireo.Linux.Vduse;

/// <summary>A range of a driver's addresses behind which memory is of one kind (<c>struct vduse_iova_info</c>).</summary>
/// <param name="First">The first address.</param>
/// <param name="Last">The last address.</param>
/// <param name="TakesMemory">Whether these are the kernel's bounce buffers, in whose place memory of a process can be.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VduseRange(ulong First, ulong Last, bool TakesMemory);
