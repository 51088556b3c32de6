using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct timespec</c> with 64-bit time.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct timespec
{
    internal long tv_sec;
    internal nint tv_nsec;
}
