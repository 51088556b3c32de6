using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_sqe</c>, 64 bytes, with the members of its unions that are used here.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct io_uring_sqe
{
    internal byte opcode;
    internal byte flags;
    internal ushort ioprio;
    internal int fd;

    /// <summary>Signed here, because -1 stands for the descriptor's own position.</summary>
    internal long off;
    internal ulong addr;
    internal uint len;

    /// <summary>Also fsync_flags, poll32_events and cancel_flags.</summary>
    internal uint rw_flags;
    internal ulong user_data;
    internal ushort buf_index;
    internal ushort personality;
    internal int splice_fd_in;
    internal ulong addr3;
}
