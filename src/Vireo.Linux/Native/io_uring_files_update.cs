using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_files_update</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct io_uring_files_update
{
    internal uint offset;
    internal uint resv;
    internal ulong fds;
}
