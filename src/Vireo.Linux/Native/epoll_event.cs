using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct epoll_event</c> of x86-64, the one architecture where the kernel packs it.</summary>
/// <remarks>Everywhere else the structure is <see cref="epoll_event_aligned"/>; EpollBuffer chooses.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct epoll_event
{
    internal uint events;

    [CField("data.u64")]
    internal ulong data;
}
