using System.Runtime.InteropServices;

namespace Vireo.Core.Memory;

/// <summary>A range of guest memory.</summary>
/// <param name="Address">Guest address of the first byte.</param>
/// <param name="LengthBytes">Length in bytes.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct GuestRange(GuestAddress Address, uint LengthBytes);
