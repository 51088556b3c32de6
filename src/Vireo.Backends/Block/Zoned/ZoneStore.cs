using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;

namespace Vireo.Backends.Block.Zoned;

/// <summary>The file that remembers zones: a page that says what disk it belongs to, then 16 bytes per zone.</summary>
/// <remarks>
/// The file is mapped, so a change outlives this process at once; it outlives the host once the file was synchronized. Little-endian.
/// Callers take turns.
/// </remarks>
internal sealed class ZoneStore : IDisposable
{
    private const int HeaderBytes = 4096;
    private const int RecordBytes = 16;

    private readonly MemoryMapping _mapping;

    private ZoneStore(SafeFileHandle file, MemoryMapping mapping, bool isNew)
    {
        File = file;
        _mapping = mapping;
        IsNew = isNew;
    }

    /// <summary>The file, to be synchronized.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Whether the file was made just now, so that it remembers nothing.</summary>
    public bool IsNew { get; }

    private static ReadOnlySpan<byte> Magic => "VIREOZN1"u8;

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How the disk is divided.</param>
    /// <param name="capacitySectors">Its size.</param>
    /// <param name="zoneCount">How many zones it has.</param>
    /// <exception cref="DeviceException">The file belongs to a disk that is divided otherwise, or is in use.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    public static ZoneStore Open(string path, ZonedDiskOptions options, long capacitySectors, int zoneCount)
    {
        long length = HeaderBytes + (long)zoneCount * RecordBytes;
        SafeFileHandle file = HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Create);
        MemoryMapping? mapping = null;
        try
        {
            if (!HostFile.TryLock(file, LockKind.Exclusive, 0, 0))
            {
                throw new DeviceException($"'{path}' is in use by another program");
            }

            bool isNew = HostFile.SizeOf(file) == 0;
            if (isNew)
            {
                HostFile.Resize(file, length);
            }

            if (HostFile.SizeOf(file) != length)
            {
                throw OtherDisk(path);
            }

            mapping = MemoryMapping.Map(file, 0, (nuint)length, MappingAccess.ReadWrite);
            ZoneStore store = new(file, mapping, isNew);
            store.CheckHeader(path, options, capacitySectors);
            return store;
        }
        catch
        {
            mapping?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>What is remembered of a zone.</summary>
    public ZoneRecord Read(int index)
    {
        Span<byte> bytes = RecordAt(index);
        return new(BinaryPrimitives.ReadInt64LittleEndian(bytes), (BlockZoneState)bytes[8]);
    }

    /// <summary>Remembers a zone.</summary>
    public void Write(int index, ZoneRecord record)
    {
        Span<byte> bytes = RecordAt(index);
        BinaryPrimitives.WriteInt64LittleEndian(bytes, record.WrittenSectors);
        bytes[8] = (byte)record.State;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        File.Dispose();
    }

    private static DeviceException OtherDisk(string path) =>
        new($"'{path}' remembers the zones of a disk that is divided otherwise; give another path, or remove it");

    private Span<byte> RecordAt(int index) =>
        _mapping.GetSpan((nuint)(HeaderBytes + (long)index * RecordBytes), RecordBytes);

    /// <summary>Writes the first page of a new file, or compares that of an old one.</summary>
    private void CheckHeader(string path, ZonedDiskOptions options, long capacitySectors)
    {
        Span<byte> expected = stackalloc byte[40];
        Magic.CopyTo(expected);
        BinaryPrimitives.WriteInt64LittleEndian(expected[8..], capacitySectors);
        BinaryPrimitives.WriteInt64LittleEndian(expected[16..], options.ZoneSectors);
        BinaryPrimitives.WriteInt64LittleEndian(expected[24..], options.ZoneCapacitySectors);
        BinaryPrimitives.WriteInt64LittleEndian(expected[32..], options.ConventionalZones);
        Span<byte> header = _mapping.GetSpan(0, expected.Length);
        if (IsNew)
        {
            expected.CopyTo(header);
        }
        else if (!header.SequenceEqual(expected))
        {
            throw OtherDisk(path);
        }
    }
}
