using Microsoft.Win32.SafeHandles;
using Vireo.Backends.Block.Raw;
using Vireo.Linux;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Images;

/// <summary>A file of the host as the file of an image.</summary>
internal sealed class HostImageFile : ImageFile
{
    /// <summary>Bytes of zeroes written at once.</summary>
    private const int ZeroesAtOnce = 1 << 20;

    private readonly SafeFileHandle _handle;

    /// <summary>A length that the file is known to have had; what is missing below it was taken from us. Only ever grows.</summary>
    private long _knownBytes;

    private HostImageFile(string path, SafeFileHandle handle, bool isReadOnly)
        : base(path, isReadOnly)
    {
        _handle = handle;
        IsRegular = FileStatus.Of(handle).Kind == DescriptorKind.RegularFile;
        _knownBytes = LengthBytes;
    }

    /// <inheritdoc/>
    public override bool IsRegular { get; }

    /// <inheritdoc/>
    public override long LengthBytes => HostFile.SizeOf(_handle);

    /// <inheritdoc cref="ImageFile.Open"/>
    public static new HostImageFile Open(string path, bool isReadOnly, bool isLocked, bool isUnsafe)
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

    /// <inheritdoc cref="ImageFile.Create"/>
    public static new HostImageFile Create(string path)
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

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            // Acquire: what was known before the kernel looked must still be there; what is written meanwhile need not be.
            long known = Volatile.Read(ref _knownBytes);
            long count = Check(HostFile.Read(_handle, offset, destination), "pread");
            if (count == 0)
            {
                ThrowIfCut(offset, known);
                destination.Clear();
                return;
            }

            offset += count;
            destination = destination[(int)count..];
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
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

        NoteLength(offset);
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, bool mayUnmap)
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

    /// <inheritdoc/>
    public override void Free(long offset, long length) =>
        HostFile.Allocate(_handle, AllocateMode.PunchHole, offset, length);

    /// <inheritdoc/>
    public override (bool IsData, long LengthBytes) Find(long offset, long length)
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

    /// <inheritdoc/>
    public override void Resize(long lengthBytes)
    {
        HostFile.Resize(_handle, lengthBytes);

        // Full: seen by whoever reads next.
        Interlocked.Exchange(ref _knownBytes, lengthBytes);
    }

    /// <inheritdoc/>
    public override void Sync()
    {
        if (!IsUnsafe)
        {
            Check(HostFile.Sync(_handle), "fdatasync");
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _handle.Dispose();

    /// <summary>What was in the file and is not any more must not turn into zeroes.</summary>
    private void ThrowIfCut(long offset, long known)
    {
        if (IsRegular && offset < known)
        {
            throw new ImageException(
                $"'{Path}' ends at byte {LengthBytes} and had at least {known} bytes: somebody has cut it"
            );
        }
    }

    private void NoteLength(long end)
    {
        // Acquire: only a larger value is put in its place.
        long known = Volatile.Read(ref _knownBytes);
        while (end > known)
        {
            // Full: two writers, of whom the one that went farther wins.
            long seen = Interlocked.CompareExchange(ref _knownBytes, end, known);
            known = seen == known ? end : seen;
        }
    }

    private long Check(long result, string operation) =>
        result >= 0 ? result : throw new LinuxException((Errno)(int)-result, operation, Path);
}
