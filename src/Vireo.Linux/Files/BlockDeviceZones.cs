using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>The zones of a zoned block device of the host (linux/blkzoned.h).</summary>
/// <remarks>Any thread may call.</remarks>
public sealed class BlockDeviceZones
{
    private readonly SafeFileHandle _device;

    internal BlockDeviceZones(SafeFileHandle device, string queue, int logicalBlockBytes)
    {
        _device = device;
        IsHostManaged = string.Equals(SysfsLine.Text($"{queue}/zoned"), "host-managed", StringComparison.Ordinal);
        ZoneSectors = SysfsLine.Number($"{queue}/chunk_sectors");
        OpenMax = SysfsLine.Number($"{queue}/max_open_zones");
        ActiveMax = SysfsLine.Number($"{queue}/max_active_zones");
        AppendMaxBytes = SysfsLine.Number($"{queue}/zone_append_max_bytes");
        long granularity = SysfsLine.Number($"{queue}/zone_write_granularity");
        WriteGranularityBytes = granularity > 0 ? granularity : logicalBlockBytes;
    }

    /// <summary>Whether sequential zones must be written in order, rather than only should.</summary>
    public bool IsHostManaged { get; }

    /// <summary>Size of each zone in sectors of 512 bytes; the last may be smaller.</summary>
    public long ZoneSectors { get; }

    /// <summary>How many zones may be open at once; 0 for no limit.</summary>
    public long OpenMax { get; }

    /// <summary>How many zones may be open or closed at once; 0 for no limit.</summary>
    public long ActiveMax { get; }

    /// <summary>The longest append in bytes.</summary>
    public long AppendMaxBytes { get; }

    /// <summary>What writes to sequential zones are multiples of, in bytes.</summary>
    public long WriteGranularityBytes { get; }

    /// <summary>Whether a device has zones.</summary>
    internal static bool AreIn(string queue) => SysfsLine.Text($"{queue}/zoned") is "host-managed" or "host-aware";

    /// <summary>Tells of the zones from one on.</summary>
    /// <param name="sector">A sector of the first zone.</param>
    /// <param name="destination">Filled from its start.</param>
    /// <returns>How many zones were told of, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: the kernel is told how many zones there is room for behind the header, and the layouts are proven by the Abi tests.
    public unsafe int Report(long sector, Span<DeviceZone> destination)
    {
        byte[] message = new byte[sizeof(blk_zone_report) + destination.Length * sizeof(blk_zone)];
        MemoryMarshal.Write(
            message,
            new blk_zone_report { sector = (ulong)sector, nr_zones = (uint)destination.Length }
        );
        fixed (byte* bytes = message)
        {
            if (LibC.ioctl(_device, LibC.BLKREPORTZONE, bytes) < 0)
            {
                return -(int)LinuxException.LastError;
            }
        }

        blk_zone_report header = MemoryMarshal.Read<blk_zone_report>(message);
        bool hasCapacity = (header.flags & LibC.BLK_ZONE_REP_CAPACITY) != 0;
        ReadOnlySpan<blk_zone> zones = MemoryMarshal.Cast<byte, blk_zone>(message.AsSpan(sizeof(blk_zone_report)));
        int count = (int)Math.Min(header.nr_zones, (uint)destination.Length);
        for (int index = 0; index < count; index++)
        {
            ref readonly blk_zone zone = ref zones[index];
            ulong capacity = hasCapacity ? zone.capacity : zone.len;
            destination[index] = new((long)zone.start, (long)capacity, (long)zone.wp, zone.type, zone.cond);
        }

        return count;
    }

    /// <summary>Does something with zones; may take as long as the device likes.</summary>
    /// <param name="action">What.</param>
    /// <param name="sector">The first sector of the first zone.</param>
    /// <param name="count">Sectors of whole zones.</param>
    /// <returns>0, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public unsafe int Manage(DeviceZoneAction action, long sector, long count)
    {
        uint command = action switch
        {
            DeviceZoneAction.Open => LibC.BLKOPENZONE,
            DeviceZoneAction.Close => LibC.BLKCLOSEZONE,
            DeviceZoneAction.Finish => LibC.BLKFINISHZONE,
            DeviceZoneAction.Reset => LibC.BLKRESETZONE,
            _ => throw new UnreachableException($"no such action: {action}"),
        };
        blk_zone_range range = new() { sector = (ulong)sector, nr_sectors = (ulong)count };
        return LibC.ioctl(_device, command, &range) < 0 ? -(int)LinuxException.LastError : 0;
    }
}
