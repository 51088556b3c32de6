using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct statfs</c> of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Sequential, Size = 120)]
internal struct statfs
{
    internal nint f_type;
    internal nint f_bsize;
    internal ulong f_blocks;
    internal ulong f_bfree;
    internal ulong f_bavail;
    internal ulong f_files;
    internal ulong f_ffree;
}
