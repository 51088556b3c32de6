using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct msghdr</c> of the kernel and of glibc.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct msghdr
{
    internal void* msg_name;
    internal uint msg_namelen;

    [CField("")]
    internal uint __pad0;

    internal iovec* msg_iov;
    internal nuint msg_iovlen;
    internal void* msg_control;
    internal nuint msg_controllen;
    internal int msg_flags;

    [CField("")]
    internal uint __pad1;
}
