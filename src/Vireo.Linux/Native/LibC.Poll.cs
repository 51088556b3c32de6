using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>poll.h.</summary>
[CHeader("poll.h")]
internal static partial class LibC
{
    internal const short POLLIN = 0x1;
    internal const short POLLOUT = 0x4;
    internal const short POLLERR = 0x8;
    internal const short POLLHUP = 0x10;

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int poll(pollfd* fds, nuint nfds, int timeout);
}
