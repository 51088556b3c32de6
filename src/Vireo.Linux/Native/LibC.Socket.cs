using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/socket.h.</summary>
[CHeader("sys/socket.h")]
[CHeader("sys/un.h")]
internal static partial class LibC
{
    internal const int AF_UNIX = 1;
    internal const int AF_INET = 2;
    internal const int AF_INET6 = 10;
    internal const int SOCK_STREAM = 1;
    internal const int SOCK_DGRAM = 2;
    internal const int SOCK_SEQPACKET = 5;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOL_SOCKET = 1;
    internal const int SO_REUSEADDR = 2;
    internal const int SO_TYPE = 3;
    internal const int SO_ERROR = 4;
    internal const int SO_SNDBUF = 7;
    internal const int SO_RCVBUF = 8;
    internal const int SO_SNDTIMEO = 21;
    internal const int SO_PEERCRED = 17;
    internal const int SO_ACCEPTCONN = 30;
    internal const int SO_DOMAIN = 39;
    internal const int SCM_RIGHTS = 1;
    internal const int MSG_PEEK = 0x2;
    internal const int MSG_CTRUNC = 0x8;
    internal const int MSG_TRUNC = 0x20;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int MSG_CMSG_CLOEXEC = 0x40000000;
    internal const int SHUT_RD = 0;
    internal const int SHUT_WR = 1;
    internal const int SHUT_RDWR = 2;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial SafeFileHandle socket(int domain, int type, int protocol);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int socketpair(int domain, int type, int protocol, int* sv);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int bind(SafeFileHandle sockfd, sockaddr_un* addr, uint addrlen);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int connect(SafeFileHandle sockfd, sockaddr_un* addr, uint addrlen);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int listen(SafeFileHandle sockfd, int backlog);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial SafeFileHandle accept4(SafeFileHandle sockfd, void* addr, uint* addrlen, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint recvmsg(SafeFileHandle sockfd, msghdr* msg, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint sendmsg(SafeFileHandle sockfd, msghdr* msg, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int shutdown(SafeFileHandle sockfd, int how);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int getsockopt(
        SafeHandle sockfd,
        int level,
        int optname,
        void* optval,
        uint* optlen
    );

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int setsockopt(SafeHandle sockfd, int level, int optname, void* optval, uint optlen);
}
