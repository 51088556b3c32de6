using System.Numerics;
using Microsoft.Win32.SafeHandles;
using Vireo.Backends.Block.Engines;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.IoUring;

namespace Vireo.Backends.Block.Raw;

/// <summary>A file or a block device of the host, byte for byte, as a disk.</summary>
/// <remarks>
/// A file whose length is no multiple of the logical block is shown with its last block whole: what it lacks reads as zeroes, and
/// writing there makes the file longer.
/// </remarks>
public sealed class RawDisk : IBlockBackend, IDisposable
{
    /// <summary>The longest range zeroed at once: where it has to be written out, that takes a disk about a second.</summary>
    private const long ZeroBytesMax = 1L << 30;

    /// <summary>Bytes written at once where zeroes have to be written out.</summary>
    private const int ZeroesAtOnce = 1 << 20;

    /// <summary>What O_DIRECT asks for on kernels that do not tell: more than any disk in use.</summary>
    private const int UsualDirectAlignment = 4096;

    private const int UsualPhysicalBlock = 4096;

    private readonly EventLoopGroup _loops;
    private readonly FilePair _files;
    private readonly WorkerPool _workers;
    private readonly OwnedMemory _zeroes = new(ZeroesAtOnce);
    private readonly bool _usesIoUring;
    private readonly bool _pollsDevice;
    private readonly bool _registersMemory;
    private readonly Action<string>? _warn;

    /// <summary>Which cheaper ways to make zeroes the host has refused; set by any loop, never taken back.</summary>
    private volatile bool _cannotPunch;
    private volatile bool _cannotZeroRange;

    /// <summary>Set when a flush has failed: the kernel has forgotten which pages were not written.</summary>
    private volatile bool _hasLostWrites;

    private readonly Lock _sizeGate = new();
    private long _fileBytes;
    private long _capacitySectors;

    private RawDisk(EventLoopGroup loops, FilePair files, RawDiskOptions options, BlockTraits traits, long lengthBytes)
    {
        _loops = loops;
        _files = files;
        _workers = new("blk-worker", options.ThreadsMax);
        Traits = traits;
        _fileBytes = lengthBytes;
        _capacitySectors = SectorsOf(lengthBytes, traits);
        IsDirect = options.Cache is CacheMode.None or CacheMode.Directsync;
        IsWriteThrough = options.Cache is CacheMode.Writethrough or CacheMode.Directsync;
        IsUnsafe = options.Cache == CacheMode.Unsafe;
        (_usesIoUring, EngineDescription) = ChooseEngine(options.Engine);
        _registersMemory = options.RegistersMemory && _usesIoUring;
        _warn = options.Warn;
        Lifetime = EmmcLifetime.TryRead(FileStatus.Of(files.Main));
        if (IsDirect)
        {
            var status = FileStatus.Of(files.Main);
            MemoryAlignmentBytes = AlignmentOr(status.DirectMemoryAlignmentBytes, traits);
            OffsetAlignmentBytes = AlignmentOr(status.DirectOffsetAlignmentBytes, traits);
        }

        if (options.PollsDevice && _usesIoUring)
        {
            _pollsDevice = PolledEngine.CanPoll(files.Main, OffsetAlignmentBytes, out string reason);
            EngineDescription += _pollsDevice ? ", completions polled" : "";
            if (!_pollsDevice)
            {
                _warn?.Invoke($"completions cannot be polled: {reason}; the device interrupts as usual");
            }
        }
    }

    /// <inheritdoc/>
    public BlockTraits Traits { get; }

    /// <inheritdoc/>
    // Acquire: a driver that was told of a new size finds it.
    public long CapacitySectors => Volatile.Read(ref _capacitySectors);

    /// <inheritdoc/>
    public Action? CapacityChanged { get; set; }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime { get; }

    /// <inheritdoc/>
    public IBlockZones? Zones => null;

    /// <summary>Which engine was chosen, and why not the better one; for people.</summary>
    public string EngineDescription { get; }

    /// <summary>Length of the file in bytes when it was last looked at.</summary>
    // Acquire: as for the capacity.
    internal long FileBytes => Volatile.Read(ref _fileBytes);

    /// <summary>Whether the page cache is avoided.</summary>
    internal bool IsDirect { get; }

    /// <summary>Whether every write is to be stable when it completes.</summary>
    internal bool IsWriteThrough { get; }

    /// <summary>Whether nothing needs to be stable, ever.</summary>
    internal bool IsUnsafe { get; }

    /// <summary>Whether the disk is a block device of the host.</summary>
    internal bool IsBlockDevice { get; private init; }

    /// <summary>The zones of a zoned block device of the host; null when it has none. To be shown by a <see cref="Zoned.HostZonedDisk"/>.</summary>
    public BlockDeviceZones? DeviceZones { get; private init; }

    /// <summary>What the addresses and lengths of segments are to be multiples of; 1 for no rule.</summary>
    internal int MemoryAlignmentBytes { get; } = 1;

    /// <summary>What offsets and lengths of transfers are to be multiples of; 1 for no rule.</summary>
    internal int OffsetAlignmentBytes { get; } = 1;

    /// <summary>Whether a flush has failed: what was written before it may be lost, so no later flush may succeed.</summary>
    internal bool HasLostWrites => _hasLostWrites;

    /// <summary>Opens a disk.</summary>
    /// <param name="path">A regular file or a block device.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's and outlive the disk.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="LinuxException">The kernel refused; the message says what and why.</exception>
    /// <exception cref="DeviceException">The file cannot be a disk, is in use, or an option does not fit it.</exception>
    public static RawDisk Open(string path, EventLoopGroup loops, RawDiskOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(loops);
        options ??= new();
        CheckOptions(options);
        bool isDirect = options.Cache is CacheMode.None or CacheMode.Directsync;
        OpenFlags access = options.IsReadOnly ? OpenFlags.Read : OpenFlags.ReadWrite;
        SafeFileHandle main = OpenMain(path, access, isDirect);
        SafeFileHandle? cached = null;
        try
        {
            var status = FileStatus.Of(main);
            BlockDeviceLimits? device = LimitsOf(main, status, path);
            if (options.IsLocked)
            {
                ImageLock.Acquire(main, path, options.IsReadOnly);
            }

            cached = isDirect ? HostFile.Open(path, access) : main;
            BlockTraits traits = MakeTraits(options, device, path);
            long length = device?.SizeBytes ?? status.SizeBytes;
            return new(loops, new(main, cached), options, traits, length)
            {
                IsBlockDevice = device is not null,
                DeviceZones = device?.Zones,
            };
        }
        catch
        {
            cached?.Dispose();
            main.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new RawChannel(this, queueIndex, tagCount, completions);

    /// <summary>Looks how large the file is now, and tells the device when that has changed. Any thread.</summary>
    /// <returns>Whether it has changed.</returns>
    /// <exception cref="LinuxException">The kernel does not say.</exception>
    public bool Refresh()
    {
        lock (_sizeGate)
        {
            long lengthBytes = HostFile.SizeOf(_files.Main);
            long sectors = SectorsOf(lengthBytes, Traits);
            bool isOther = sectors != _capacitySectors;
            // Release: who sees the new capacity sees the new length, too.
            Volatile.Write(ref _fileBytes, lengthBytes);
            // Release: as above.
            Volatile.Write(ref _capacitySectors, sectors);
            if (!isOther)
            {
                return false;
            }
        }

        CapacityChanged?.Invoke();
        return true;
    }

    /// <summary>
    /// Somebody else in this process may have made the file longer. One that has become shorter stays as long as it was: what was cut off has to fail,
    /// and not to read as zeroes. Any thread.
    /// </summary>
    /// <exception cref="LinuxException">The kernel does not say.</exception>
    internal void NoteGrowth()
    {
        lock (_sizeGate)
        {
            // Release: as in Refresh.
            Volatile.Write(ref _fileBytes, Math.Max(_fileBytes, HostFile.SizeOf(_files.Main)));
        }
    }

    /// <summary>Closes the file and gives its locks back. No channel may be open.</summary>
    public void Dispose()
    {
        _workers.Dispose();
        _files.Cached.Dispose();
        _files.Main.Dispose();
        _zeroes.Dispose();
    }

    /// <summary>Makes the engines of a channel: the one for most work, and one for what that cannot do.</summary>
    internal (IFileEngine Engine, IFileEngine Blocking) OpenEngines(
        int queueIndex,
        int tagCount,
        IFileCompletions completions
    )
    {
        EventLoop loop = _loops[queueIndex];
        ThreadEngine blocking = new(loop, _workers, _files, _zeroes, tagCount, completions);
        IFileEngine engine = TryOpenRing(loop, tagCount, completions) ?? (IFileEngine)blocking;
        engine.Start();
        if (!ReferenceEquals(engine, blocking))
        {
            blocking.Start();
        }

        return (engine, blocking);
    }

    /// <summary>Makes the memory of a queue known to the kernel, where that was asked for.</summary>
    internal void RegisterMemory(GuestMemory memory, IFileEngine engine)
    {
        if (_registersMemory && engine is IMemoryRegistrar registrar && registrar.Register(memory) is { } reason)
        {
            _warn?.Invoke($"the guest's memory is not registered: {reason}");
        }
    }

    /// <summary>The cheapest way to make zeroes that the host has not refused so far.</summary>
    /// <param name="mayUnmap">Whether the storage may be freed.</param>
    internal FileOperation FirstWayToZero(bool mayUnmap)
    {
        if (mayUnmap && !_cannotPunch)
        {
            return FileOperation.PunchHole;
        }

        return _cannotZeroRange ? FileOperation.WriteZeroBytes : FileOperation.ZeroRange;
    }

    /// <summary>The next best way after one that the host has refused.</summary>
    internal FileOperation NextWayToZero(FileOperation refused)
    {
        if (refused == FileOperation.PunchHole)
        {
            _cannotPunch = true;
            return FirstWayToZero(mayUnmap: false);
        }

        _cannotZeroRange = true;
        return FileOperation.WriteZeroBytes;
    }

    /// <summary>A flush has failed. With the page cache that means that writes are lost which nobody can name any more.</summary>
    internal void NoteFailedSync() => _hasLostWrites |= !IsDirect;

    private static long SectorsOf(long lengthBytes, BlockTraits traits)
    {
        long blocks = (lengthBytes + traits.LogicalBlockBytes - 1) / traits.LogicalBlockBytes;
        return blocks * (traits.LogicalBlockBytes / BlockDevice.SectorBytes);
    }

    /// <summary>Makes an engine over io_uring; null when that was not chosen, or the host has no room for another ring.</summary>
    private IFileEngine? TryOpenRing(EventLoop loop, int tagCount, IFileCompletions completions)
    {
        if (!_usesIoUring)
        {
            return null;
        }

        try
        {
            return _pollsDevice
                ? new PolledEngine(loop, _files, tagCount, completions)
                : new UringEngine(loop, _files, tagCount, completions);
        }
        catch (LinuxException)
        {
            // The worker threads do the same, slower; a queue that cannot start would cost the guest its disk.
            return null;
        }
    }

    private static void CheckOptions(RawDiskOptions options)
    {
        if (options.ThreadsMax is < 1 or > 64)
        {
            throw new DeviceException($"{options.ThreadsMax} worker threads: 1 to 64");
        }

        if (
            (options.RegistersMemory || options.PollsDevice)
            && options.Cache is not (CacheMode.None or CacheMode.Directsync)
        )
        {
            throw new DeviceException(
                "registered memory and polled completions are for the cache modes 'none' and 'directsync'; the page cache neither pins memory nor interrupts"
            );
        }

        int block = options.LogicalBlockBytes;
        if (block != 0 && (block is < BlockDevice.SectorBytes or > 65536 || !BitOperations.IsPow2(block)))
        {
            throw new DeviceException($"logical block of {block} bytes: a power of two from 512 to 65536");
        }
    }

    private static SafeFileHandle OpenMain(string path, OpenFlags access, bool isDirect)
    {
        try
        {
            return HostFile.Open(path, isDirect ? access | OpenFlags.Direct : access);
        }
        catch (LinuxException exception) when (isDirect && exception.Error == Errno.EINVAL)
        {
            throw new DeviceException(
                $"'{path}' lies in a file system without O_DIRECT; choose a cache mode with the page cache (writeback)",
                exception
            );
        }
    }

    private static BlockDeviceLimits? LimitsOf(SafeFileHandle file, FileStatus status, string path) =>
        status.Kind switch
        {
            DescriptorKind.RegularFile => null,
            DescriptorKind.BlockDevice => BlockDeviceLimits.Of(file),
            _ => throw new DeviceException($"'{path}' is a {status.Kind}; a disk is a regular file or a block device"),
        };

    private static BlockTraits MakeTraits(RawDiskOptions options, BlockDeviceLimits? device, string path)
    {
        if (device is { IsReadOnly: true } && !options.IsReadOnly)
        {
            throw new DeviceException($"'{path}' is a read-only device; open it read-only");
        }

        bool isOrdered = options.IsReadOnly || options.Cache is CacheMode.None or CacheMode.Directsync;
        if (device?.Zones is not null && !isOrdered)
        {
            throw new DeviceException(
                $"'{path}' has zones, which the page cache does not write in order; choose the cache mode 'none'"
            );
        }

        if (device is null && options.HasSecureErase)
        {
            throw new DeviceException(
                $"'{path}' is a file, from which nothing can be erased for sure; leave secure erase out"
            );
        }

        int deviceBlock = device?.LogicalBlockBytes ?? BlockDevice.SectorBytes;
        int logical = options.LogicalBlockBytes == 0 ? deviceBlock : options.LogicalBlockBytes;
        if (logical < deviceBlock)
        {
            throw new DeviceException(
                $"'{path}' has logical blocks of {deviceBlock} bytes, which cannot be shown as {logical}"
            );
        }

        int physical = Math.Max(logical, device?.PhysicalBlockBytes ?? UsualPhysicalBlock);
        return new()
        {
            IsReadOnly = options.IsReadOnly,
            LogicalBlockBytes = logical,
            PhysicalBlockBytes = physical,
            OptimalTransferBytes = device?.OptimalIoBytes ?? 0,
            IsWriteThrough = options.Cache is CacheMode.Writethrough or CacheMode.Directsync,
            Discard = options.AllowsDiscard ? new(long.MaxValue, physical) : null,
            WriteZeroes = new(ZeroBytesMax, logical),
            WriteZeroesMayUnmap = options.AllowsDiscard,
            SecureErase = options.HasSecureErase ? new(ZeroBytesMax, physical) : null,
        };
    }

    private static (bool UsesIoUring, string Description) ChooseEngine(EngineChoice choice)
    {
        if (choice == EngineChoice.Threads)
        {
            return (false, "worker threads");
        }

        if (IoUringQueue.IsSupported(out string reason))
        {
            return (true, "io_uring");
        }

        return choice == EngineChoice.Auto
            ? (false, $"worker threads, because {reason}")
            : throw new DeviceException($"io_uring cannot be used: {reason}; choose the engine 'threads' or 'auto'");
    }

    private static int AlignmentOr(int? told, BlockTraits traits)
    {
        int usual = Math.Max(UsualDirectAlignment, traits.LogicalBlockBytes);
        return told is > 0 ? told.Value : usual;
    }
}
