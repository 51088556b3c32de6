using Microsoft.Win32.SafeHandles;
using Vireo.Backends.Block.Raw;
using Vireo.Linux;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Images;

/// <summary>The file of an image, read and written by calls that wait.</summary>
/// <remarks>Any thread, several at once.</remarks>
internal sealed class ImageFile : IDisposable
{
    /// <summary>Bytes of zeroes written at once.</summary>
    private const int ZeroesAtOnce = 1 << 20;

    private readonly SafeFileHandle _handle;

    private ImageFile(string path, SafeFileHandle handle, bool isReadOnly)
    {
        Path = path;
        _handle = handle;
        IsReadOnly = isReadOnly;
        IsRegular = FileStatus.Of(handle).Kind == DescriptorKind.RegularFile;
    }

    /// <summary>What it is called.</summary>
    public string Path { get; }

    /// <summary>Whether it was opened for reading only.</summary>
    public bool IsReadOnly { get; }

    /// <summary>Whether it is a regular file, which grows when it is written behind its end.</summary>
    public bool IsRegular { get; }

    /// <summary>Whether nothing needs to be stable, ever.</summary>
    public bool IsUnsafe { get; init; }

    /// <summary>Length in bytes, now.</summary>
    public long LengthBytes => HostFile.SizeOf(_handle);

    /// <summary>Opens a file that exists.</summary>
    /// <param name="path">The path.</param>
    /// <param name="isReadOnly">Whether it is only read.</param>
    /// <param name="isLocked">Whether QEMU's image locks are taken; not where another descriptor of this process holds them.</param>
    /// <param name="isUnsafe">Whether nothing needs to be stable.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static ImageFile Open(string path, bool isReadOnly, bool isLocked, bool isUnsafe = false)
    {
        SafeFileHandle handle = HostFile.Open(path, isReadOnly ? OpenFlags.Read : OpenFlags.ReadWrite);
        try
        {
            DescriptorKind kind = FileStatus.Of(handle).Kind;
            if (kind == DescriptorKind.Directory)
            {
                throw new LinuxException(Errno.EISDIR, "openat", path);
            }

            if (kind is not (DescriptorKind.RegularFile or DescriptorKind.BlockDevice))
            {
                throw new ImageException($"'{path}' is a {kind}; an image is a regular file or a block device");
            }

            if (isLocked)
            {
                ImageLock.Acquire(handle, path, isReadOnly);
            }

            return new(path, handle, isReadOnly) { IsUnsafe = isUnsafe };
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Makes a file, or takes over one that nobody uses and cuts it to nothing.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static ImageFile Create(string path)
    {
        SafeFileHandle handle = HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Create);
        try
        {
            ImageLock.Acquire(handle, path, isReadOnly: false);
            if (FileStatus.Of(handle).Kind == DescriptorKind.RegularFile)
            {
                HostFile.Resize(handle, 0);
            }

            return new(path, handle, isReadOnly: false);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads; what lies behind the end of the file reads as zeroes.</summary>
    /// <exception cref="LinuxException">The storage failed.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            long count = Check(HostFile.Read(_handle, offset, destination), "pread");
            if (count == 0)
            {
                destination.Clear();
                return;
            }

            offset += count;
            destination = destination[(int)count..];
        }
    }

    /// <summary>Writes all of it.</summary>
    /// <exception cref="LinuxException">The storage failed, or is full.</exception>
    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            long count = Check(HostFile.Write(_handle, offset, source), "pwrite");
            if (count == 0)
            {
                throw new LinuxException(Errno.EIO, "pwrite", Path);
            }

            offset += count;
            source = source[(int)count..];
        }
    }

    /// <summary>Makes a range read as zeroes in the cheapest way the file system has.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes, from 1.</param>
    /// <param name="mayUnmap">Whether the storage may be freed.</param>
    /// <exception cref="LinuxException">The storage failed, or is full.</exception>
    public void WriteZeroes(long offset, long length, bool mayUnmap)
    {
        AllocateMode mode = mayUnmap ? AllocateMode.PunchHole : AllocateMode.ZeroRange;
        if (offset + length <= LengthBytes && HostFile.Allocate(_handle, mode, offset, length) == 0)
        {
            return;
        }

        byte[] zeroes = new byte[(int)Math.Min(length, ZeroesAtOnce)];
        while (length > 0)
        {
            int count = (int)Math.Min(length, zeroes.Length);
            Write(offset, zeroes.AsSpan(0, count));
            offset += count;
            length -= count;
        }
    }

    /// <summary>Gives the storage of a range back, if the file system can.</summary>
    public void Free(long offset, long length) => HostFile.Allocate(_handle, AllocateMode.PunchHole, offset, length);

    /// <summary>Where the next data and the next hole are.</summary>
    /// <param name="offset">From where; before the end.</param>
    /// <param name="length">How far to look.</param>
    /// <returns>Whether data begin here, and for how many bytes that holds.</returns>
    public (bool IsData, long LengthBytes) Find(long offset, long length)
    {
        try
        {
            long data = HostFile.FindData(_handle, offset) ?? long.MaxValue;
            if (data > offset)
            {
                return (false, Math.Min(data - offset, length));
            }

            long hole = HostFile.FindHole(_handle, offset) ?? long.MaxValue;
            return (true, Math.Min(Math.Max(hole - offset, 1), length));
        }
        catch (LinuxException)
        {
            // Devices and some file systems know no holes.
            return (true, length);
        }
    }

    /// <summary>Sets the length.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Resize(long lengthBytes) => HostFile.Resize(_handle, lengthBytes);

    /// <summary>Brings what was written to the storage.</summary>
    /// <exception cref="LinuxException">The storage failed; what was written may be lost.</exception>
    public void Sync()
    {
        if (!IsUnsafe)
        {
            Check(HostFile.Sync(_handle), "fdatasync");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private long Check(long result, string operation) =>
        result >= 0 ? result : throw new LinuxException((Errno)(int)-result, operation, Path);
}
