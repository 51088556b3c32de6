using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>A path in the form bind and connect take. Dispose after the call.</summary>
/// <remarks>
/// The kernel's structure holds 107 bytes. A longer path is reached through its directory, opened here, as
/// <c>/proc/self/fd/N/name</c>: the same file, under a short name that lives as long as this object.
/// </remarks>
internal ref struct UnixAddress
{
    /// <summary>Bytes of a path that fit with the zero behind them.</summary>
    private const int PathBytesMax = 107;

    /// <summary>Bytes of the structure before the path.</summary>
    private const int FamilyBytes = 2;

    private readonly SafeFileHandle? _directory;
    private DescriptorLease _lease;

    private UnixAddress(ReadOnlySpan<byte> path, SafeFileHandle? directory, DescriptorLease lease, bool isAbstract)
    {
        _directory = directory;
        _lease = lease;
        Value.sun_family = LibC.AF_UNIX;
        for (int index = 0; index < path.Length; index++)
        {
            Set(index, path[index]);
        }

        // The address of an abstract name ends with the name; a path ends with a zero.
        Length = (uint)(FamilyBytes + path.Length + (isAbstract ? 0 : 1));
    }

    internal sockaddr_un Value;

    /// <summary>Bytes of <see cref="Value"/> that count.</summary>
    internal uint Length { get; }

    /// <summary>Makes the address of a path in the file system.</summary>
    /// <exception cref="LinuxException">ENAMETOOLONG: even the last part is too long; others: no such directory.</exception>
    internal static UnixAddress OfPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new LinuxException(Errno.EINVAL, "socket path", path.Replace('\0', '?'));
        }

        byte[] bytes = Encoding.UTF8.GetBytes(path);
        return bytes.Length <= PathBytesMax ? new UnixAddress(bytes, null, default, false) : OfLongPath(path);
    }

    /// <summary>Makes the address of a name outside the file system.</summary>
    /// <param name="name">The name without the zero that marks it.</param>
    internal static UnixAddress OfAbstractName(string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes("\0" + name);
        return bytes.Length <= PathBytesMax
            ? new UnixAddress(bytes, null, default, true)
            : throw new LinuxException(Errno.ENAMETOOLONG, "socket name", name);
    }

    public void Dispose()
    {
        _lease.Dispose();
        _directory?.Dispose();
    }

    private static UnixAddress OfLongPath(string path)
    {
        string name = Path.GetFileName(path);
        string directoryPath = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        const int Flags = LibC.O_PATH | LibC.O_CLOEXEC;
        SafeFileHandle directory = LinuxException.ThrowIfInvalid(
            LibC.openat(LibC.AT_FDCWD, directoryPath, Flags, 0),
            nameof(LibC.openat),
            directoryPath
        );
        DescriptorLease lease = new(directory);
        byte[] bytes = Encoding.UTF8.GetBytes($"/proc/self/fd/{lease.Number}/{name}");
        if (bytes.Length > PathBytesMax)
        {
            lease.Dispose();
            directory.Dispose();
            throw new LinuxException(Errno.ENAMETOOLONG, "socket path", path);
        }

        return new UnixAddress(bytes, directory, lease, false);
    }

    // SAFETY: the callers have checked that the path is shorter than the array.
    private unsafe void Set(int index, byte value)
    {
        fixed (byte* path = Value.sun_path)
        {
            path[index] = value;
        }
    }
}
