using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>A socket that this process was started with (<c>--fd N</c>, or a service manager).</summary>
public sealed class InheritedDescriptor : IDisposable
{
    private InheritedDescriptor(SafeFileHandle handle, string? name, bool isListening)
    {
        Handle = handle;
        Name = name;
        IsListening = isListening;
    }

    /// <summary>The descriptor, closed on exec by now. It stays this object's until taken.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>The name the service manager gave it, or null.</summary>
    public string? Name { get; }

    /// <summary>Whether connections can be accepted from it (SO_ACCEPTCONN); otherwise it is a connection itself.</summary>
    public bool IsListening { get; }

    /// <summary>Takes over a descriptor by its number.</summary>
    /// <param name="number">The number, from 0.</param>
    /// <param name="name">A name for it, or null.</param>
    /// <exception cref="LinuxException">
    /// EBADF: the process was not started with such a descriptor; EINVAL or ENOTSOCK: not a UNIX stream socket.
    /// </exception>
    public static InheritedDescriptor Adopt(int number, string? name = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        string detail = string.Create(CultureInfo.InvariantCulture, $"descriptor {number}");
        int flags = LibC.fcntl_number(number, LibC.F_GETFD, 0);
        LinuxException.ThrowIfNegative(flags, "inherit", detail);
        if ((flags & LibC.FD_CLOEXEC) != 0)
        {
            // What is closed on exec did not come through one: it is the runtime's own, and not ours to take.
            throw new LinuxException(Errno.EBADF, "inherit", detail);
        }

        SafeFileHandle probe = new(number, ownsHandle: false);
        if (UnixSocket.GetOption(probe, LibC.SO_DOMAIN) != LibC.AF_UNIX)
        {
            throw new LinuxException(Errno.EINVAL, "inherit", $"{detail}, which is not a UNIX socket");
        }

        bool isListening = UnixSocket.GetOption(probe, LibC.SO_ACCEPTCONN) != 0;
        UnixSocket.ThrowIfNotStream(probe, isListening);
        SafeFileHandle handle = new(number, ownsHandle: true);
        Files.DescriptorFlags.SetCloseOnExec(handle);
        return new InheritedDescriptor(handle, name, isListening);
    }

    /// <summary>Makes a listener of it, which owns the descriptor from then on.</summary>
    /// <exception cref="LinuxException">EINVAL: it is a connection.</exception>
    public UnixListener ToListener() => UnixListener.FromDescriptor(Handle);

    /// <summary>Makes a channel of it, which owns the descriptor from then on.</summary>
    /// <exception cref="LinuxException">EINVAL: it is a listening socket.</exception>
    public UnixChannel ToChannel() => UnixChannel.FromDescriptor(Handle);

    /// <summary>Closes the descriptor, unless taken.</summary>
    public void Dispose() => Handle.Dispose();
}
