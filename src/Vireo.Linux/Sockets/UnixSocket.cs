using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>What listeners and channels share.</summary>
internal static class UnixSocket
{
    private const int StreamFlags = LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC;

    /// <summary>Makes a stream socket.</summary>
    internal static SafeFileHandle Create(bool isBlocking) =>
        LinuxException.ThrowIfInvalid(
            LibC.socket(LibC.AF_UNIX, StreamFlags | (isBlocking ? 0 : LibC.SOCK_NONBLOCK), 0),
            nameof(LibC.socket)
        );

    /// <summary>Reads an option that is a number.</summary>
    // SAFETY: the kernel writes at most four bytes to a local variable.
    internal static unsafe int GetOption(SafeHandle socket, int option)
    {
        int value = 0;
        uint length = sizeof(int);
        int result = LibC.getsockopt(socket, LibC.SOL_SOCKET, option, &value, &length);
        LinuxException.ThrowIfNegative(result, nameof(LibC.getsockopt));
        return value;
    }

    /// <summary>Refuses what is not a stream socket of this family, in the state wanted.</summary>
    internal static void ThrowIfNotStream(SafeHandle socket, bool isListening)
    {
        bool isStream =
            GetOption(socket, LibC.SO_DOMAIN) == LibC.AF_UNIX && GetOption(socket, LibC.SO_TYPE) == LibC.SOCK_STREAM;
        if (!isStream)
        {
            throw new LinuxException(Errno.EINVAL, "inherited descriptor", "not a UNIX stream socket");
        }

        if (GetOption(socket, LibC.SO_ACCEPTCONN) != 0 != isListening)
        {
            string problem = isListening
                ? "a connected socket, not a listening one"
                : "a listening socket, not a connected one";
            throw new LinuxException(Errno.EINVAL, "inherited descriptor", problem);
        }
    }

    /// <summary>Connects, waiting for at most a stated time while the other side's queue of connections is full.</summary>
    /// <returns>None, or what the kernel answered; EAGAIN when the time is over.</returns>
    // SAFETY: the kernel reads local structures whose layouts the Abi tests prove.
    internal static unsafe Errno Connect(SafeFileHandle socket, ref UnixAddress address, TimeSpan timeout)
    {
        timeval limit = new()
        {
            tv_sec = (nint)(timeout.Ticks / TimeSpan.TicksPerSecond),
            tv_usec = (nint)(timeout.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond),
        };
        int result = LibC.setsockopt(socket, LibC.SOL_SOCKET, LibC.SO_SNDTIMEO, &limit, (uint)sizeof(timeval));
        LinuxException.ThrowIfNegative(result, nameof(LibC.setsockopt));
        fixed (sockaddr_un* target = &address.Value)
        {
            while (LibC.connect(socket, target, address.Length) < 0)
            {
                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    return error;
                }
            }
        }

        return Errno.None;
    }
}
