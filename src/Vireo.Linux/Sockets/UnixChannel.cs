using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>A connected UNIX stream socket that carries bytes and descriptors. Non-blocking, closed on exec.</summary>
/// <remarks>
/// A stream has no messages: what one Send sends may come in parts, and two may come at once. Descriptors come with the first
/// byte of the Send they belong to, and one receive never goes over that border. Used by one thread at a time.
/// </remarks>
public sealed class UnixChannel : IDisposable
{
    /// <summary>Descriptors one message may carry; the kernel's own limit (SCM_MAX_FD).</summary>
    public const int DescriptorsMax = 253;

    /// <summary>How long Connect waits for a listener whose queue of connections is full.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private UnixChannel(SafeFileHandle handle) => Handle = handle;

    /// <summary>The descriptor, to be watched by a loop. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>How long Send waits for a peer that does not read, all in all. 10 seconds unless set.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Connects to a listener.</summary>
    /// <param name="path">The socket's path; longer ones than the kernel's 107 bytes work, too.</param>
    /// <exception cref="LinuxException">
    /// ENOENT: no such path; ECONNREFUSED: nobody listens there; EACCES: not permitted; ETIMEDOUT: the listener does not accept.
    /// </exception>
    public static UnixChannel Connect(string path)
    {
        var address = UnixAddress.OfPath(path);
        try
        {
            SafeFileHandle socket = UnixSocket.Create(isBlocking: true);
            Errno error = UnixSocket.Connect(socket, ref address, ConnectTimeout);
            if (error != Errno.None)
            {
                socket.Dispose();
                throw new LinuxException(error == Errno.EAGAIN ? Errno.ETIMEDOUT : error, nameof(LibC.connect), path);
            }

            return Adopt(socket);
        }
        finally
        {
            address.Dispose();
        }
    }

    /// <summary>Takes over a connected socket that came from elsewhere.</summary>
    /// <param name="handle">The socket. It becomes this object's, and is closed if refused.</param>
    /// <exception cref="LinuxException">EINVAL: not a connected UNIX stream socket; ENOTSOCK: no socket.</exception>
    public static UnixChannel FromDescriptor(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        try
        {
            UnixSocket.ThrowIfNotStream(handle, isListening: false);
            return Adopt(handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Makes two channels that are connected to each other.</summary>
    /// <exception cref="LinuxException">The process or the system has too many open files.</exception>
    // SAFETY: the kernel writes two numbers to the stack; they are wrapped at once.
    public static unsafe (UnixChannel First, UnixChannel Second) CreatePair()
    {
        const int Flags = LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK;
        int* numbers = stackalloc int[2];
        int result = LibC.socketpair(LibC.AF_UNIX, Flags, 0, numbers);
        LinuxException.ThrowIfNegative(result, nameof(LibC.socketpair));
        SafeFileHandle first = new(numbers[0], ownsHandle: true);
        SafeFileHandle second = new(numbers[1], ownsHandle: true);
        return (new UnixChannel(first), new UnixChannel(second));
    }

    /// <summary>Who was at the other end when the connection was made.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    // SAFETY: the kernel writes at most the stated length to a local structure.
    public unsafe PeerCredentials GetPeer()
    {
        ucred peer = default;
        uint length = (uint)sizeof(ucred);
        int result = LibC.getsockopt(Handle, LibC.SOL_SOCKET, LibC.SO_PEERCRED, &peer, &length);
        LinuxException.ThrowIfNegative(result, nameof(LibC.getsockopt), "SO_PEERCRED");
        return new PeerCredentials(peer.pid, peer.uid, peer.gid);
    }

    /// <summary>Receives bytes of a connection that carries no descriptors; any that come are closed and reported.</summary>
    /// <param name="destination">Where the bytes go; at least one byte.</param>
    /// <param name="byteCount">Bytes received; 0 unless the outcome is Received.</param>
    /// <exception cref="LinuxException">The kernel refused for a reason that is not the peer's.</exception>
    public ReceiveOutcome TryReceive(Span<byte> destination, out int byteCount) =>
        TryReceive(destination, [], out byteCount, out _);

    /// <summary>Receives bytes and the descriptors that come with them.</summary>
    /// <param name="destination">Where the bytes go; at least one byte.</param>
    /// <param name="descriptors">Where the descriptors go, at most 253. The caller owns them from then on.</param>
    /// <param name="byteCount">Bytes received; 0 unless the outcome is Received.</param>
    /// <param name="descriptorCount">Descriptors received; 0 unless the outcome is Received.</param>
    /// <exception cref="ArgumentException">There is no room for a byte.</exception>
    /// <exception cref="LinuxException">The kernel refused for a reason that is not the peer's.</exception>
    // SAFETY: the kernel is given the lengths of the two buffers, which stay pinned during the call.
    public unsafe ReceiveOutcome TryReceive(
        Span<byte> destination,
        Span<SafeFileHandle?> descriptors,
        out int byteCount,
        out int descriptorCount
    )
    {
        if (destination.IsEmpty)
        {
            throw new ArgumentException("A receive of nothing cannot be told from a closed connection.");
        }

        byteCount = 0;
        descriptorCount = 0;
        int room = Math.Min(descriptors.Length, DescriptorsMax);
        // With no room for a single descriptor the kernel must still be able to say that some were lost.
        ControlBuffer control = new(stackalloc byte[ControlBuffer.SizeFor(room)]);
        nint received;
        int flags;
        fixed (
            byte* bytes = destination,
                controlBytes = control.Bytes
        )
        {
            iovec vector = new() { iov_base = bytes, iov_len = (nuint)destination.Length };
            msghdr message = new()
            {
                msg_iov = &vector,
                msg_iovlen = 1,
                msg_control = controlBytes,
                msg_controllen = ControlBuffer.LengthFor(room),
            };
            received = Receive(&message);
            flags = message.msg_flags;
            control.Used = received < 0 ? 0 : (int)message.msg_controllen;
        }

        if (received < 0)
        {
            return OutcomeOf(LinuxException.LastError);
        }

        bool isComplete = control.TakeDescriptors(descriptors, out descriptorCount);
        if (!isComplete || (flags & LibC.MSG_CTRUNC) != 0)
        {
            Close(descriptors[..descriptorCount]);
            descriptorCount = 0;
            return ReceiveOutcome.DescriptorsLost;
        }

        byteCount = (int)received;
        return received == 0 ? ReceiveOutcome.Closed : ReceiveOutcome.Received;
    }

    /// <summary>Sends a message as a whole, waiting for the peer to read if need be, at most for <see cref="SendTimeout"/>.</summary>
    /// <param name="bytes">The bytes; at least one, because descriptors travel with the first.</param>
    /// <param name="descriptors">Descriptors to go with it, at most 253. They stay the caller's; the peer gets its own.</param>
    /// <exception cref="ArgumentException">No byte, or too many descriptors.</exception>
    /// <exception cref="ObjectDisposedException">The channel or one of the descriptors is closed.</exception>
    /// <exception cref="LinuxException">
    /// ETOOMANYREFS: too many descriptors on their way to processes that do not read them; EBADF and others.
    /// </exception>
    public SendOutcome Send(ReadOnlySpan<byte> bytes, ReadOnlySpan<SafeHandle> descriptors = default)
    {
        if (bytes.IsEmpty || descriptors.Length > DescriptorsMax)
        {
            throw new ArgumentException("A message is at least a byte and at most 253 descriptors.");
        }

        long start = Stopwatch.GetTimestamp();
        ControlBuffer control = new(stackalloc byte[ControlBuffer.SizeFor(descriptors.Length)]);
        int held = 0;
        try
        {
            control.PutDescriptors(descriptors, ref held);
            while (!bytes.IsEmpty)
            {
                nint sent = SendPart(bytes, control);
                Errno error = sent < 0 ? LinuxException.LastError : Errno.None;
                if (sent > 0)
                {
                    bytes = bytes[(int)sent..];
                    // The descriptors have gone with the first byte.
                    control.Used = 0;
                }
                else if (error != Errno.EAGAIN)
                {
                    return error is Errno.EPIPE or Errno.ECONNRESET
                        ? SendOutcome.Closed
                        : throw new LinuxException(error, nameof(LibC.sendmsg));
                }
                else if (!WaitForRoom(SendTimeout - Stopwatch.GetElapsedTime(start)))
                {
                    return SendOutcome.WouldBlock;
                }
            }

            return SendOutcome.Sent;
        }
        finally
        {
            ControlBuffer.Release(descriptors[..held]);
        }
    }

    /// <summary>Sends as many bytes as there is room for now.</summary>
    /// <param name="bytes">The bytes; at least one.</param>
    /// <param name="byteCount">Bytes sent; 0 unless the outcome is Sent.</param>
    /// <exception cref="ArgumentException">No byte.</exception>
    /// <exception cref="LinuxException">The kernel refused for a reason that is not the peer's.</exception>
    public SendOutcome TrySend(ReadOnlySpan<byte> bytes, out int byteCount)
    {
        if (bytes.IsEmpty)
        {
            throw new ArgumentException("There is nothing to send.");
        }

        nint sent = SendPart(bytes, default);
        byteCount = (int)Math.Max(sent, 0);
        if (sent > 0)
        {
            return SendOutcome.Sent;
        }

        return LinuxException.LastError switch
        {
            Errno.EAGAIN => SendOutcome.WouldBlock,
            Errno.EPIPE or Errno.ECONNRESET => SendOutcome.Closed,
            Errno error => throw new LinuxException(error, nameof(LibC.sendmsg)),
        };
    }

    /// <summary>Whether the peer has closed its end, or is gone; what it sent before may not have been received yet.</summary>
    // SAFETY: one entry, a local variable.
    public unsafe bool HasPeerGone
    {
        get
        {
            using DescriptorLease lease = new(Handle);
            pollfd entry = new() { fd = lease.Number };
            int result = LibC.poll(&entry, 1, timeout: 0);
            // A poll that does not wait is not interrupted, but to ask again costs nothing to whoever asks.
            return result > 0 && (entry.revents & LibC.POLLHUP) != 0;
        }
    }

    /// <summary>Tells the peer that no more will be sent; receiving goes on. Nothing when the peer has gone.</summary>
    public void ShutdownSend() => Shutdown(LibC.SHUT_WR);

    /// <summary>Ends the connection in both directions, for every process that shares it. Nothing when the peer has gone.</summary>
    public void Shutdown() => Shutdown(LibC.SHUT_RDWR);

    /// <summary>Closes the descriptor.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>Wraps a socket that is known to be connected.</summary>
    internal static UnixChannel Adopt(SafeFileHandle socket)
    {
        DescriptorFlags.SetNonBlocking(socket);
        return new UnixChannel(socket);
    }

    private static ReceiveOutcome OutcomeOf(Errno error) =>
        error switch
        {
            Errno.EAGAIN => ReceiveOutcome.WouldBlock,
            Errno.ECONNRESET or Errno.EPIPE or Errno.ENOTCONN => ReceiveOutcome.Closed,
            _ => throw new LinuxException(error, nameof(LibC.recvmsg)),
        };

    private static void Close(Span<SafeFileHandle?> descriptors)
    {
        foreach (ref SafeFileHandle? descriptor in descriptors)
        {
            descriptor?.Dispose();
            descriptor = null;
        }
    }

    private void Shutdown(int direction)
    {
        if (LibC.shutdown(Handle, direction) < 0 && LinuxException.LastError != Errno.ENOTCONN)
        {
            LinuxException.ThrowLast(nameof(LibC.shutdown));
        }
    }

    // SAFETY: TryReceive has filled the structure with buffers that are pinned.
    private unsafe nint Receive(msghdr* message)
    {
        nuint controlLength = message->msg_controllen;
        while (true)
        {
            nint received = LibC.recvmsg(Handle, message, LibC.MSG_CMSG_CLOEXEC | LibC.MSG_DONTWAIT);
            if (received >= 0 || LinuxException.LastError != Errno.EINTR)
            {
                return received;
            }

            message->msg_controllen = controlLength;
        }
    }

    // SAFETY: the kernel is given the lengths of the two buffers, which stay pinned during the call.
    private unsafe nint SendPart(ReadOnlySpan<byte> bytes, ControlBuffer control)
    {
        fixed (
            byte* data = bytes,
                controlBytes = control.Bytes
        )
        {
            iovec vector = new() { iov_base = data, iov_len = (nuint)bytes.Length };
            msghdr message = new()
            {
                msg_iov = &vector,
                msg_iovlen = 1,
                msg_control = control.Used == 0 ? null : controlBytes,
                msg_controllen = (nuint)control.Used,
            };
            while (true)
            {
                nint sent = LibC.sendmsg(Handle, &message, LibC.MSG_NOSIGNAL | LibC.MSG_DONTWAIT);
                if (sent >= 0 || LinuxException.LastError != Errno.EINTR)
                {
                    return sent;
                }
            }
        }
    }

    /// <summary>Waits until the socket takes bytes or reports an error.</summary>
    /// <returns>False when the time is over.</returns>
    // SAFETY: one entry, a local variable.
    private unsafe bool WaitForRoom(TimeSpan timeout)
    {
        if (timeout <= TimeSpan.Zero)
        {
            return false;
        }

        using DescriptorLease lease = new(Handle);
        pollfd entry = new() { fd = lease.Number, events = LibC.POLLOUT };
        int result = LibC.poll(&entry, 1, (int)Math.Min(Math.Ceiling(timeout.TotalMilliseconds), int.MaxValue));
        // An interrupted wait is begun anew by the caller, with the time that is left.
        if (result < 0 && LinuxException.LastError != Errno.EINTR)
        {
            LinuxException.ThrowLast(nameof(LibC.poll));
        }

        return result != 0;
    }
}
