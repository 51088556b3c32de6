using System.Globalization;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>The groups of the system.</summary>
public static class GroupDatabase
{
    private const int BufferBytesMin = 4 * 1024;

    /// <summary>A group with more members than fit is an error rather than an endless growth.</summary>
    private const int BufferBytesMax = 4 * 1024 * 1024;

    /// <summary>Finds a group's number.</summary>
    /// <param name="nameOrNumber">A name, or a number in decimal, which is taken as it is.</param>
    /// <returns>The number, or null when there is no such group.</returns>
    /// <exception cref="LinuxException">The database could not be read.</exception>
    public static uint? TryFind(string nameOrNumber)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrNumber);
        if (uint.TryParse(nameOrNumber, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return number;
        }

        Errno error = Errno.ERANGE;
        for (int size = BufferBytesMin; size <= BufferBytesMax && error == Errno.ERANGE; size *= 4)
        {
            error = LookUp(nameOrNumber, size, out uint? groupId);
            if (error == Errno.None)
            {
                return groupId;
            }
        }

        throw new LinuxException(error, nameof(LibC.getgrnam_r), nameOrNumber);
    }

    // SAFETY: the C library is told the buffer's length; only the number is used, which is not in the buffer.
    private static unsafe Errno LookUp(string name, int bufferBytes, out uint? groupId)
    {
        group entry;
        group* found = null;
        byte[] buffer = new byte[bufferBytes];
        fixed (byte* bytes = buffer)
        {
            var error = (Errno)LibC.getgrnam_r(name, &entry, bytes, (nuint)bufferBytes, &found);
            groupId = found is null ? null : entry.gr_gid;
            // Some databases report an unknown name as an error.
            return error is Errno.ENOENT or Errno.ESRCH ? Errno.None : error;
        }
    }
}
