using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>What can be watched for on a descriptor, and what is reported. The values are epoll's.</summary>
[Flags]
public enum LoopEvents : uint
{
    /// <summary>Nothing; a descriptor watched for nothing still reports errors.</summary>
    None = 0,

    /// <summary>A read would not wait: data, a signal, a connection, or the end of the stream (EPOLLIN).</summary>
    Readable = LibC.EPOLLIN,

    /// <summary>A write would not wait (EPOLLOUT).</summary>
    Writable = LibC.EPOLLOUT,

    /// <summary>An error is pending; always reported (EPOLLERR).</summary>
    Error = LibC.EPOLLERR,

    /// <summary>Both directions are closed; always reported (EPOLLHUP).</summary>
    HangUp = LibC.EPOLLHUP,

    /// <summary>The peer will send no more (EPOLLRDHUP).</summary>
    PeerClosed = LibC.EPOLLRDHUP,

    /// <summary>
    /// Report each change once, rather than for as long as the state lasts (EPOLLET). An eventfd watched this way needs no
    /// read after a signal: every further signal is a change.
    /// </summary>
    EdgeTriggered = LibC.EPOLLET,
}
