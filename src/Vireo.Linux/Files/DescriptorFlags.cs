using System.Runtime.InteropServices;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>The flags fcntl reads and sets on an open descriptor.</summary>
public static class DescriptorFlags
{
    /// <summary>Makes reads and writes answer EAGAIN rather than wait.</summary>
    /// <remarks>The flag belongs to the open file: whoever shares it (the peer that sent it) sees the change.</remarks>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static void SetNonBlocking(SafeHandle handle)
    {
        int flags = LibC.fcntl(handle, LibC.F_GETFL, 0);
        LinuxException.ThrowIfNegative(flags, "fcntl", "F_GETFL");
        if ((flags & LibC.O_NONBLOCK) == 0)
        {
            LinuxException.ThrowIfNegative(
                LibC.fcntl(handle, LibC.F_SETFL, flags | LibC.O_NONBLOCK),
                "fcntl",
                "F_SETFL"
            );
        }
    }

    /// <summary>Whether reads and writes answer EAGAIN rather than wait.</summary>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static bool IsNonBlocking(SafeHandle handle)
    {
        int flags = LibC.fcntl(handle, LibC.F_GETFL, 0);
        LinuxException.ThrowIfNegative(flags, "fcntl", "F_GETFL");
        return (flags & LibC.O_NONBLOCK) != 0;
    }

    /// <summary>Keeps the descriptor from programs this process starts.</summary>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static void SetCloseOnExec(SafeHandle handle) =>
        LinuxException.ThrowIfNegative(LibC.fcntl(handle, LibC.F_SETFD, LibC.FD_CLOEXEC), "fcntl", "F_SETFD");

    /// <summary>Makes a second descriptor of the same open file, closed on exec.</summary>
    /// <param name="handle">Any open descriptor. It stays the caller's.</param>
    /// <returns>The new descriptor, the caller's.</returns>
    /// <exception cref="LinuxException">The kernel refused (too many open files).</exception>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle Duplicate(SafeHandle handle) =>
        LinuxException.ThrowIfInvalid(LibC.fcntl_dup(handle, LibC.F_DUPFD_CLOEXEC, 0), "fcntl", "F_DUPFD_CLOEXEC");
}
