using System.Runtime.InteropServices;

namespace Vireo.Linux.Files;

/// <summary>A piece of memory for input or output, laid out like <c>struct iovec</c>.</summary>
/// <param name="Base">Address of the first byte.</param>
/// <param name="Length">Bytes.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct IoVector(nint Base, nuint Length);
