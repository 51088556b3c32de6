using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct timeval</c> of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct timeval
{
    internal nint tv_sec;
    internal nint tv_usec;
}
