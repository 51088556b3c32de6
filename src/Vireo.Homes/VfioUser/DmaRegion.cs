using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VfioUser;

/// <summary>One range of memory that a client has made known: mapped if it came with a file, else with a mirror (decision 0022).</summary>
internal sealed class DmaRegion : IDisposable
{
    private const uint Readable = 1;
    private const uint Writable = 2;

    private readonly SafeFileHandle? _file;
    private readonly MemoryMapping? _mapping;
    private readonly ulong _fileOffset;
    private readonly MemoryAccess _access;

    private DmaRegion(DmaMapRequest request, MemoryAccess access, SafeFileHandle? file, MemoryMapping? mapping)
    {
        Address = request.Address;
        LengthBytes = request.LengthBytes;
        _access = access;
        _file = file;
        _mapping = mapping;
        _fileOffset = request.FileOffset;
    }

    /// <summary>Address by which the device names the first byte.</summary>
    public ulong Address { get; }

    /// <summary>Length in bytes, at least 1.</summary>
    public ulong LengthBytes { get; }

    /// <summary>Address of the last byte.</summary>
    public ulong Last => Address + (LengthBytes - 1);

    /// <summary>Whether the range is mapped: it came with a file.</summary>
    public bool IsMapped => _file is not null;

    /// <summary>Whether the device can reach the range, be it by messages; a range too large to have a mirror is out of reach.</summary>
    public bool IsReachable => _mapping is not null;

    /// <summary>Whether the device may write it.</summary>
    public bool IsWritable => _access.HasFlag(MemoryAccess.Write);

    /// <summary>The region as guest memory knows it; it can be reached.</summary>
    public MemoryRegion Region =>
        new(new(Address), LengthBytes, _mapping!.Address, _access)
        {
            // Kept open, because a device that is somebody else's has to be handed the file.
            Backing = _file is null ? null : new(_file, _fileOffset),
        };

    /// <summary>Part of the mirror of a range that is not mapped.</summary>
    /// <param name="address">Address of the first byte; in the range, as is the last.</param>
    /// <param name="count">How many bytes.</param>
    public Span<byte> Mirror(ulong address, int count) => _mapping!.GetSpan((nuint)(address - Address), count);

    /// <summary>Checks a range and maps it.</summary>
    /// <param name="request">What the client says of it.</param>
    /// <param name="file">The file of its memory, or null; becomes the region's, and is closed if refused.</param>
    /// <exception cref="RefusalException">It is empty, wraps, may not be used at all, or cannot be mapped.</exception>
    public static DmaRegion Create(DmaMapRequest request, SafeFileHandle? file)
    {
        try
        {
            MemoryAccess access = Check(request);
            MemoryMapping? mapping = file is null ? TryMirror(request) : Map(request, access, file);
            return new(request, access, file, mapping);
        }
        catch (LinuxException exception)
        {
            file?.Dispose();
            throw new RefusalException(
                exception.Error,
                $"memory at 0x{request.Address:x} cannot be mapped: {exception.Message}"
            );
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the memory; no queue uses it any more.</summary>
    public void Dispose()
    {
        _mapping?.Dispose();
        _file?.Dispose();
    }

    private static MemoryAccess Check(DmaMapRequest request)
    {
        if (request.LengthBytes == 0 || request.LengthBytes - 1 > ulong.MaxValue - request.Address)
        {
            throw new RefusalException(
                $"memory at 0x{request.Address:x} with 0x{request.LengthBytes:x} bytes is empty or wraps"
            );
        }

        if (request.LengthBytes > long.MaxValue || request.FileOffset > long.MaxValue - request.LengthBytes)
        {
            throw new RefusalException(
                $"memory at 0x{request.FileOffset:x} with 0x{request.LengthBytes:x} bytes is in no file"
            );
        }

        MemoryAccess access =
            ((request.Flags & Readable) != 0 ? MemoryAccess.Read : MemoryAccess.None)
            | ((request.Flags & Writable) != 0 ? MemoryAccess.Write : MemoryAccess.None);
        return access != MemoryAccess.None
            ? access
            : throw new RefusalException($"memory at 0x{request.Address:x} may be neither read nor written");
    }

    /// <summary>Makes the mirror: zeros that cost memory only where a driver has buffers.</summary>
    /// <returns>Null when there is no room for it, as for a range of 64-bit addresses that no memory can fill.</returns>
    private static MemoryMapping? TryMirror(DmaMapRequest request)
    {
        try
        {
            return MemoryMapping.MapAnonymous(
                (nuint)request.LengthBytes,
                MappingAccess.ReadWrite,
                MappingOptions.NoReserve
            );
        }
        catch (LinuxException)
        {
            return null;
        }
        catch (ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    private static MemoryMapping Map(DmaMapRequest request, MemoryAccess access, SafeFileHandle file) =>
        MemoryMapping.Map(
            file,
            (long)request.FileOffset,
            (nuint)request.LengthBytes,
            access.HasFlag(MemoryAccess.Write) ? MappingAccess.ReadWrite : MappingAccess.Read,
            MappingOptions.NoReserve
        );
}
