using System.Runtime.InteropServices;

namespace Vireo.Linux.Rbd;

/// <summary>The end of a request.</summary>
/// <param name="Cookie">What its maker called it.</param>
/// <param name="Result">Bytes read; 0 for all others; a negated errno for a failure.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct RbdEvent(ulong Cookie, long Result);
