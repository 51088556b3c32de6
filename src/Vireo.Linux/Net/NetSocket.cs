using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;
using Vireo.Linux.Sockets;

namespace Vireo.Linux.Net;

/// <summary>A stream or datagram socket of any family (UNIX, IPv4, IPv6), non-blocking and closed on exec.</summary>
/// <remarks>
/// What serves data returns what the system call returned, or a negated <see cref="Errno"/>. Reading and writing may go on on two
/// threads at once.
/// </remarks>
public sealed class NetSocket : IDisposable
{
    /// <summary>Vectors one write takes (UIO_MAXIOV).</summary>
    public const int VectorsMax = 1024;

    private const int Backlog = 1;

    /// <summary>The file that a listener or a datagram socket made; null for none.</summary>
    private readonly string? _ownPath;

    private NetSocket(SafeFileHandle handle, string? ownPath)
    {
        Handle = handle;
        _ownPath = ownPath;
    }

    /// <summary>The descriptor, to be watched by a loop. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Connects a stream socket.</summary>
    /// <param name="peer">Where to.</param>
    /// <param name="timeout">How long to wait for the other side at most.</param>
    /// <exception cref="LinuxException">ECONNREFUSED, ENOENT: nobody listens there; EAGAIN, EINPROGRESS: the time is over; others.</exception>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public static unsafe NetSocket Connect(EndPoint peer, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(peer);
        SafeFileHandle handle = Create(peer, LibC.SOCK_STREAM);
        try
        {
            timeval limit = new() { tv_sec = (nint)timeout.TotalSeconds };
            LinuxException.ThrowIfNegative(
                LibC.setsockopt(handle, LibC.SOL_SOCKET, LibC.SO_SNDTIMEO, &limit, (uint)sizeof(timeval)),
                nameof(LibC.setsockopt)
            );
            Connect(handle, peer);
            DescriptorFlags.SetNonBlocking(handle);
            return new(handle, null);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Begins to connect a stream socket and does not wait.</summary>
    /// <param name="peer">Where to.</param>
    /// <param name="isConnected">
    /// Whether it is connected already. If not, the descriptor becomes writable once that is decided; <see cref="TakeError"/> says how.
    /// </param>
    /// <exception cref="LinuxException">ECONNREFUSED, ENOENT: nobody listens there; EAGAIN: too many wait there already; others.</exception>
    public static NetSocket BeginConnect(EndPoint peer, out bool isConnected)
    {
        ArgumentNullException.ThrowIfNull(peer);
        SafeFileHandle handle = Create(peer, LibC.SOCK_STREAM);
        try
        {
            DescriptorFlags.SetNonBlocking(handle);
            isConnected = true;
            Connect(handle, peer);
        }
        catch (LinuxException exception) when (exception.Error == Errno.EINPROGRESS)
        {
            isConnected = false;
        }
        catch
        {
            handle.Dispose();
            throw;
        }

        return new(handle, null);
    }

    /// <summary>What went wrong with the connection since this was last asked: <see cref="Errno.None"/> if nothing did.</summary>
    /// <exception cref="LinuxException">The socket cannot be asked.</exception>
    public Errno TakeError() => (Errno)UnixSocket.GetOption(Handle, LibC.SO_ERROR);

    /// <summary>Listens for one peer after the other. A UNIX socket's file must not be there; it goes with the socket.</summary>
    /// <param name="local">Where.</param>
    /// <exception cref="LinuxException">EADDRINUSE: somebody has the address, or there is a file of that name; others.</exception>
    public static NetSocket Listen(EndPoint local)
    {
        ArgumentNullException.ThrowIfNull(local);
        NetSocket socket = Bind(local, LibC.SOCK_STREAM);
        try
        {
            LinuxException.ThrowIfNegative(LibC.listen(socket.Handle, Backlog), nameof(LibC.listen), $"{local}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Makes a datagram socket with both ends. A UNIX socket's file must not be there; it goes with the socket.</summary>
    /// <param name="local">Its own address.</param>
    /// <param name="peer">
    /// Where datagrams go, and the only place they are taken from. A UNIX peer need not be there yet: see <see cref="TryConnect"/>.
    /// </param>
    /// <exception cref="LinuxException">EADDRINUSE: somebody has the address, or there is a file of that name; others.</exception>
    public static NetSocket BindDatagram(EndPoint local, EndPoint peer)
    {
        ArgumentNullException.ThrowIfNull(local);
        NetSocket socket = Bind(local, LibC.SOCK_DGRAM);
        try
        {
            socket.TryConnect(peer);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Accepts a connection.</summary>
    /// <returns>Null when there is none.</returns>
    /// <exception cref="LinuxException">Too many open files; others.</exception>
    // SAFETY: no address is asked for.
    public unsafe NetSocket? TryAccept()
    {
        SafeFileHandle handle = LibC.accept4(Handle, null, null, LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK);
        if (!handle.IsInvalid)
        {
            return new(handle, null);
        }

        Errno error = LinuxException.LastError;
        handle.Dispose();
        return error is Errno.EAGAIN or Errno.EINTR or Errno.ECONNABORTED
            ? null
            : throw new LinuxException(error, nameof(LibC.accept4));
    }

    /// <summary>Sets where datagrams go.</summary>
    /// <returns>False when a UNIX peer is not there.</returns>
    /// <exception cref="LinuxException">The address cannot be reached for another reason.</exception>
    public bool TryConnect(EndPoint peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        try
        {
            Connect(Handle, peer);
            return true;
        }
        catch (LinuxException exception) when (exception.Error is Errno.ENOENT or Errno.ECONNREFUSED)
        {
            return false;
        }
    }

    /// <summary>Reads bytes, or one datagram; what is longer than the room is cut off.</summary>
    /// <param name="destination">Room for them.</param>
    /// <returns>Bytes; 0 for the end of a stream; or a negated <see cref="Errno"/>: EAGAIN when there is nothing.</returns>
    // SAFETY: the kernel is given the length of a buffer that stays pinned during the call.
    public unsafe int Read(Span<byte> destination)
    {
        fixed (byte* bytes = destination)
        {
            while (true)
            {
                nint count = LibC.read(Handle, bytes, (nuint)destination.Length);
                Errno error = count < 0 ? LinuxException.LastError : Errno.None;
                if (error != Errno.EINTR)
                {
                    return count < 0 ? -(int)error : (int)count;
                }
            }
        }
    }

    /// <summary>Writes bytes, or one datagram.</summary>
    /// <param name="source">1 to <see cref="VectorsMax"/> pieces.</param>
    /// <returns>Bytes, which on a stream may be fewer than given; or a negated <see cref="Errno"/>: EAGAIN when there is no room.</returns>
    // SAFETY: the list is pinned during the call; the kernel checks every address in it and answers EFAULT.
    public unsafe int Write(ReadOnlySpan<IoVector> source)
    {
        fixed (IoVector* vectors = source)
        {
            msghdr message = new() { msg_iov = (iovec*)vectors, msg_iovlen = (nuint)source.Length };
            return Send(&message);
        }
    }

    /// <summary>Writes bytes, or one datagram.</summary>
    /// <param name="source">The bytes.</param>
    /// <returns>As the other.</returns>
    // SAFETY: the kernel is given the length of a buffer that stays pinned during the call.
    public unsafe int Write(ReadOnlySpan<byte> source)
    {
        fixed (byte* bytes = source)
        {
            iovec vector = new() { iov_base = bytes, iov_len = (nuint)source.Length };
            msghdr message = new() { msg_iov = &vector, msg_iovlen = 1 };
            return Send(&message);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownPath is not null && !Handle.IsClosed)
        {
            File.Delete(_ownPath);
        }

        Handle.Dispose();
    }

    // SAFETY: the message and what it points to stay where they are during the call.
    private unsafe int Send(msghdr* message)
    {
        while (true)
        {
            nint count = LibC.sendmsg(Handle, message, LibC.MSG_NOSIGNAL | LibC.MSG_DONTWAIT);
            Errno error = count < 0 ? LinuxException.LastError : Errno.None;
            if (error != Errno.EINTR)
            {
                return count < 0 ? -(int)error : (int)count;
            }
        }
    }

    private static SafeFileHandle Create(EndPoint address, int type)
    {
        // The numbers of .NET's families are not those of the kernel.
        int family = address.AddressFamily switch
        {
            AddressFamily.Unix => LibC.AF_UNIX,
            AddressFamily.InterNetwork => LibC.AF_INET,
            AddressFamily.InterNetworkV6 => LibC.AF_INET6,
            _ => throw new ArgumentException($"'{address}' is no address of a socket", nameof(address)),
        };
        return LinuxException.ThrowIfInvalid(
            LibC.socket(family, type | LibC.SOCK_CLOEXEC, 0),
            nameof(LibC.socket),
            $"{address}"
        );
    }

    // SAFETY: the kernel reads as many bytes of a pinned array as the address has; a number of four bytes.
    private static unsafe NetSocket Bind(EndPoint local, int type)
    {
        SafeFileHandle handle = Create(local, type);
        try
        {
            DescriptorFlags.SetNonBlocking(handle);
            int on = 1;
            if (local is IPEndPoint)
            {
                LinuxException.ThrowIfNegative(
                    LibC.setsockopt(handle, LibC.SOL_SOCKET, LibC.SO_REUSEADDR, &on, sizeof(int)),
                    nameof(LibC.setsockopt)
                );
            }

            SocketAddress address = local.Serialize();
            fixed (byte* bytes = address.Buffer.Span)
            {
                LinuxException.ThrowIfNegative(
                    LibC.bind(handle, (sockaddr_un*)bytes, (uint)address.Size),
                    nameof(LibC.bind),
                    $"{local}"
                );
            }

            return new(handle, local is UnixDomainSocketEndPoint unix ? $"{unix}" : null);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    // SAFETY: the kernel reads as many bytes of a pinned array as the address has.
    private static unsafe void Connect(SafeFileHandle handle, EndPoint peer)
    {
        SocketAddress address = peer.Serialize();
        fixed (byte* bytes = address.Buffer.Span)
        {
            while (LibC.connect(handle, (sockaddr_un*)bytes, (uint)address.Size) < 0)
            {
                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    throw new LinuxException(error, nameof(LibC.connect), $"{peer}");
                }
            }
        }
    }
}
