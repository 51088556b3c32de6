using Microsoft.Win32.SafeHandles;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>Maps a range of a file that a message names: a log, a record of requests in flight.</summary>
internal static class SharedFile
{
    /// <summary>What such ranges must be aligned to, because numbers of this many bytes lie in them.</summary>
    private const int Alignment = sizeof(ulong);

    /// <summary>Maps a range for reading and writing.</summary>
    /// <param name="file">The file; closed afterwards.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="alarm">Hears of it when the file is made shorter.</param>
    /// <exception cref="ProtocolException">The range is empty, wraps or is not aligned to 8 bytes.</exception>
    /// <exception cref="RefusalException">It cannot be mapped.</exception>
    public static GuardedMapping Map(SafeFileHandle file, ulong offset, ulong lengthBytes, CutAlarm alarm)
    {
        using (file)
        {
            if (lengthBytes == 0 || lengthBytes > long.MaxValue || offset > long.MaxValue - lengthBytes)
            {
                throw new ProtocolException($"{lengthBytes} bytes at {offset} of a file are no range");
            }

            if (offset % Alignment != 0)
            {
                throw new ProtocolException($"offset {offset} is not aligned to {Alignment} bytes");
            }

            try
            {
                var mapping = MemoryMapping.Map(file, (long)offset, (nuint)lengthBytes, MappingAccess.ReadWrite);
                return alarm.Guard(file, mapping);
            }
            catch (LinuxException exception)
            {
                throw new RefusalException(exception.Message, exception);
            }
        }
    }
}
