using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct epoll_event</c> of every architecture but x86-64: the union is aligned.</summary>
[CTwin("struct epoll_event")]
[StructLayout(LayoutKind.Sequential)]
internal struct epoll_event_aligned
{
    internal uint events;

    [CField("data.u64")]
    internal ulong data;
}
