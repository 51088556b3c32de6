using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct sigaction</c> of the C library; named so because the function has the structure's name.</summary>
[CTwin("struct sigaction")]
[StructLayout(LayoutKind.Sequential)]
// SAFETY: only the layout of a structure of C.
internal unsafe struct sigaction_t
{
    internal nint sa_handler;
    internal fixed ulong sa_mask[16];
    internal int sa_flags;
    internal nint sa_restorer;
}
