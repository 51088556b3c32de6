using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>A listening UNIX stream socket. Non-blocking, closed on exec.</summary>
public sealed class UnixListener : IDisposable
{
    private const int BacklogMax = 4096;

    /// <summary>How long to wait for whoever listens on the path already to show that it is alive.</summary>
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(1);

    /// <summary>The file this listener made, so that Dispose does not remove one that has taken its place.</summary>
    private FileStatus? _ownFile;

    private UnixListener(SafeFileHandle handle, string? path)
    {
        Handle = handle;
        Path = path;
    }

    /// <summary>The descriptor, to be watched by a loop. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>The path as it was given, or null for a socket that was inherited.</summary>
    public string? Path { get; }

    /// <summary>Makes a socket and listens on it.</summary>
    /// <remarks>
    /// A socket left behind by a process that is gone is replaced. Nobody can connect before mode and group are set. Two
    /// processes that replace the same left-over in the same instant can still take the path from each other.
    /// </remarks>
    /// <param name="path">Where, exactly as given; longer paths than the kernel's 107 bytes work, too.</param>
    /// <param name="options">Who may connect; null for the defaults.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: somebody listens there; EEXIST: there is something that is no socket; ENOENT: no such directory; EACCES and
    /// EPERM: not permitted; ENAMETOOLONG.
    /// </exception>
    public static UnixListener Listen(string path, UnixListenerOptions? options = null)
    {
        options ??= new UnixListenerOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Backlog, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Backlog, BacklogMax, nameof(options));
        UnixListener listener = new(UnixSocket.Create(isBlocking: false), path);
        try
        {
            listener.Bind(path);
            Permit(path, options);
            LinuxException.ThrowIfNegative(LibC.listen(listener.Handle, options.Backlog), nameof(LibC.listen), path);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a listening socket that was inherited. Its path, if any, is left alone.</summary>
    /// <param name="handle">The socket. It becomes this object's, and is closed if refused.</param>
    /// <exception cref="LinuxException">EINVAL: not a listening UNIX stream socket; ENOTSOCK: no socket.</exception>
    public static UnixListener FromDescriptor(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        try
        {
            UnixSocket.ThrowIfNotStream(handle, isListening: true);
            DescriptorFlags.SetNonBlocking(handle);
            return new UnixListener(handle, null);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Accepts a connection.</summary>
    /// <returns>The channel, the caller's; null when nobody waits any more.</returns>
    /// <exception cref="LinuxException">EMFILE or ENFILE: too many open files; the connection still waits.</exception>
    // SAFETY: null means that the peer's address is not wanted.
    public unsafe UnixChannel? TryAccept()
    {
        while (true)
        {
            const int Flags = LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK;
            SafeFileHandle socket = LibC.accept4(Handle, null, null, Flags);
            if (!socket.IsInvalid)
            {
                return UnixChannel.Adopt(socket);
            }

            Errno error = LinuxException.LastError;
            socket.Dispose();
            if (error == Errno.EAGAIN)
            {
                return null;
            }

            // ECONNABORTED: that one gave up while it waited; look for the next.
            if (error is not (Errno.EINTR or Errno.ECONNABORTED))
            {
                throw new LinuxException(error, nameof(LibC.accept4), Path);
            }
        }
    }

    /// <summary>Stops listening, and removes the socket's file if it is still the one this object made.</summary>
    public void Dispose()
    {
        if (_ownFile is { } own && Path is not null)
        {
            _ownFile = null;
            FileStatus? present = TryGetStatus(Path);
            if (present is not null && present.Inode == own.Inode && present.Device == own.Device)
            {
                // A failure leaves a file that the next start replaces; Dispose has nobody to tell.
                _ = LibC.unlink(Path);
            }
        }

        Handle.Dispose();
    }

    private static FileStatus? TryGetStatus(string path)
    {
        try
        {
            return FileStatus.TryGet(path, followLink: false);
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    private static void Permit(string path, UnixListenerOptions options)
    {
        if (options.GroupId is { } groupId)
        {
            LinuxException.ThrowIfNegative(LibC.chown(path, uint.MaxValue, groupId), nameof(LibC.chown), path);
        }

        if (options.Mode is { } mode)
        {
            LinuxException.ThrowIfNegative(LibC.chmod(path, (uint)mode), nameof(LibC.chmod), path);
        }
    }

    private void Bind(string path)
    {
        var address = UnixAddress.OfPath(path);
        try
        {
            Errno error = TryBind(ref address);
            if (error == Errno.EADDRINUSE)
            {
                RemoveLeftOver(path, ref address);
                error = TryBind(ref address);
            }

            if (error != Errno.None)
            {
                throw new LinuxException(error, nameof(LibC.bind), path);
            }

            _ownFile = FileStatus.TryGet(path, followLink: false);
        }
        finally
        {
            address.Dispose();
        }
    }

    // SAFETY: the kernel reads the stated number of bytes of a structure that is pinned.
    private unsafe Errno TryBind(ref UnixAddress address)
    {
        fixed (sockaddr_un* target = &address.Value)
        {
            return LibC.bind(Handle, target, address.Length) < 0 ? LinuxException.LastError : Errno.None;
        }
    }

    /// <summary>Removes a socket nobody listens on; refuses to remove anything else.</summary>
    private static void RemoveLeftOver(string path, ref UnixAddress address)
    {
        var present = FileStatus.TryGet(path, followLink: false);
        if (present is null)
        {
            return;
        }

        if (present.Kind != DescriptorKind.Socket)
        {
            throw new LinuxException(Errno.EEXIST, nameof(LibC.bind), path);
        }

        using SafeFileHandle probe = UnixSocket.Create(isBlocking: true);
        Errno answer = UnixSocket.Connect(probe, ref address, ProbeTimeout);
        if (answer is not (Errno.ECONNREFUSED or Errno.ENOENT))
        {
            // Connected, a full queue, a socket of another type (EPROTOTYPE), or one we may not look at: somebody's.
            throw new LinuxException(Errno.EADDRINUSE, nameof(LibC.bind), path);
        }

        if (LibC.unlink(path) < 0 && LinuxException.LastError != Errno.ENOENT)
        {
            LinuxException.ThrowLast(nameof(LibC.unlink), path);
        }
    }
}
