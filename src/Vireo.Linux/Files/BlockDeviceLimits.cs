using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>What a block device of the host says about itself, read once.</summary>
public sealed class BlockDeviceLimits
{
    private BlockDeviceLimits(SafeFileHandle device)
    {
        SizeBytes = SizeOf(device);
        LogicalBlockBytes = Get(device, LibC.BLKSSZGET, nameof(LibC.BLKSSZGET));
        PhysicalBlockBytes = Get(device, LibC.BLKPBSZGET, nameof(LibC.BLKPBSZGET));
        MinimumIoBytes = Get(device, LibC.BLKIOMIN, nameof(LibC.BLKIOMIN));
        OptimalIoBytes = Get(device, LibC.BLKIOOPT, nameof(LibC.BLKIOOPT));
        AlignmentOffsetBytes = Get(device, LibC.BLKALIGNOFF, nameof(LibC.BLKALIGNOFF));
        IsReadOnly = Get(device, LibC.BLKROGET, nameof(LibC.BLKROGET)) != 0;
        var status = FileStatus.Of(device);
        string folder = string.Create(
            CultureInfo.InvariantCulture,
            $"/sys/dev/block/{status.RepresentedDevice >> 32}:{status.RepresentedDevice & uint.MaxValue}"
        );
        // A partition has no queue of its own; its parent folder is the disk's.
        string queue = Directory.Exists($"{folder}/queue") ? $"{folder}/queue" : $"{folder}/../queue";
        DiscardMaxBytes = SysfsLine.Number($"{queue}/discard_max_bytes");
        DiscardGranularityBytes = SysfsLine.Number($"{queue}/discard_granularity");
        WriteZeroesMaxBytes = SysfsLine.Number($"{queue}/write_zeroes_max_bytes");
        IsRotational = SysfsLine.Number($"{queue}/rotational") != 0;
        Zones = BlockDeviceZones.AreIn(queue) ? new(device, queue, LogicalBlockBytes) : null;
    }

    /// <summary>Length in bytes.</summary>
    public long SizeBytes { get; }

    /// <summary>Unit of addressing in bytes; with O_DIRECT the least that can be read or written.</summary>
    public int LogicalBlockBytes { get; }

    /// <summary>What the medium writes without reading first, in bytes.</summary>
    public int PhysicalBlockBytes { get; }

    /// <summary>The smallest good request in bytes; 0 for none in particular.</summary>
    public int MinimumIoBytes { get; }

    /// <summary>The best request in bytes; 0 for none in particular.</summary>
    public int OptimalIoBytes { get; }

    /// <summary>Bytes by which the first physical block is shifted; -1 where layers disagree.</summary>
    public int AlignmentOffsetBytes { get; }

    /// <summary>Whether writes are refused.</summary>
    public bool IsReadOnly { get; }

    /// <summary>The largest discard in bytes; 0 when the device has none.</summary>
    public long DiscardMaxBytes { get; }

    /// <summary>Unit of discards in bytes; 0 when the device has none.</summary>
    public long DiscardGranularityBytes { get; }

    /// <summary>The largest range the device zeroes by itself, in bytes; 0 when it cannot.</summary>
    public long WriteZeroesMaxBytes { get; }

    /// <summary>Whether neighbours are cheaper to reach than strangers.</summary>
    public bool IsRotational { get; }

    /// <summary>The zones, good as long as the device is open; null when it has none.</summary>
    public BlockDeviceZones? Zones { get; }

    /// <summary>Reads the limits of an open device.</summary>
    /// <param name="device">The device. It stays the caller's.</param>
    /// <exception cref="LinuxException">ENOTTY: no block device.</exception>
    public static BlockDeviceLimits Of(SafeFileHandle device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new BlockDeviceLimits(device);
    }

    /// <summary>Frees a range; what it reads as then is the device's affair.</summary>
    /// <param name="device">The device, open for writing. It stays the caller's.</param>
    /// <param name="offset">First byte, aligned to the logical block.</param>
    /// <param name="length">Bytes, a multiple of it.</param>
    /// <returns>0, or a negated <see cref="Errno"/>: EOPNOTSUPP when the device has no discard.</returns>
    public static long Discard(SafeFileHandle device, long offset, long length) =>
        OnRange(device, LibC.BLKDISCARD, offset, length);

    /// <summary>Frees a range and every copy of it the device may have.</summary>
    /// <param name="device">The device, open for writing. It stays the caller's.</param>
    /// <param name="offset">First byte, aligned to the logical block.</param>
    /// <param name="length">Bytes, a multiple of it.</param>
    /// <returns>0, or a negated <see cref="Errno"/>: EOPNOTSUPP when the device has no secure erase.</returns>
    public static long SecureErase(SafeFileHandle device, long offset, long length) =>
        OnRange(device, LibC.BLKSECDISCARD, offset, length);

    /// <summary>Makes a range read as zeros; the kernel writes them if the device cannot by itself.</summary>
    /// <param name="device">The device, open for writing. It stays the caller's.</param>
    /// <param name="offset">First byte, aligned to the logical block.</param>
    /// <param name="length">Bytes, a multiple of it.</param>
    /// <returns>0, or a negated <see cref="Errno"/>.</returns>
    public static long ZeroOut(SafeFileHandle device, long offset, long length) =>
        OnRange(device, LibC.BLKZEROOUT, offset, length);

    // SAFETY: the kernel writes eight bytes to a local variable.
    internal static unsafe long SizeOf(SafeFileHandle device)
    {
        ulong size;
        LinuxException.ThrowIfNegative(LibC.ioctl(device, LibC.BLKGETSIZE64, &size), nameof(LibC.BLKGETSIZE64));
        return checked((long)size);
    }

    // SAFETY: all the commands this is used for write an int, to a local variable.
    private static unsafe int Get(SafeFileHandle device, uint command, string name)
    {
        int value = 0;
        LinuxException.ThrowIfNegative(LibC.ioctl(device, command, &value), name);
        return value;
    }

    // SAFETY: the kernel reads two numbers of eight bytes from the stack.
    private static unsafe long OnRange(SafeFileHandle device, uint command, long offset, long length)
    {
        ulong* range = stackalloc ulong[2];
        range[0] = (ulong)offset;
        range[1] = (ulong)length;
        return LibC.ioctl(device, command, range) < 0 ? -(long)LinuxException.LastError : 0;
    }
}
