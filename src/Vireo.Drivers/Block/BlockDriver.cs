using System.Text;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Devices.Block;

namespace Vireo.Drivers.Block;

/// <summary>Drives a block device from this process: no virtual machine, no kernel driver (VIRTIO 1.4 §5.2).</summary>
/// <remarks>
/// <para>
/// For batches and zero copy there are the queues (<see cref="Queue"/>), each used by one thread at a time. For everything else
/// there are <see cref="Read"/>, <see cref="Write"/>, <see cref="Flush"/>, <see cref="Discard"/> and <see cref="WriteZeroes"/>, which
/// wait and may be called by any thread; they use queue 0, which must then be left to them.
/// </para>
/// <code>
///   using BlockDriver disk = BlockDriver.Open(VhostUserProxy.Connect("/run/disk.sock", DeviceType.Block));
///   disk.Write(0, bytes);
///   disk.Flush();
/// </code>
/// </remarks>
public sealed class BlockDriver : IDisposable
{
    /// <summary>The features that the driver uses where they are offered.</summary>
    private static readonly FeatureSet Wanted = FeatureSet.Of(
        BlockFeatures.SizeMax,
        BlockFeatures.SegmentsMax,
        BlockFeatures.Geometry,
        BlockFeatures.ReadOnly,
        BlockFeatures.BlockSize,
        BlockFeatures.Flush,
        BlockFeatures.Topology,
        BlockFeatures.MultiQueue,
        BlockFeatures.Discard,
        BlockFeatures.WriteZeroes
    );

    private const int SegmentsLimit = 1024;

    /// <summary>Header and status.</summary>
    private const int FramingPieces = 2;

    /// <summary>Bytes of the configuration space up to the fields that only some devices have.</summary>
    private const int ConfigBytes = 60;

    private readonly DriverSession _session;
    private readonly BlockQueue[] _queues;

    /// <summary>Where blocking calls move their data; one call at a time.</summary>
    private readonly DriverBuffer _transfer;

    private readonly Lock _gate = new();

    /// <summary>Held by whoever reads the configuration space.</summary>
    private readonly Lock _configGate = new();

    private BlockConfig _config;

    /// <summary>The count of configuration changes that <see cref="_config"/> knows.</summary>
    private int _configSeen;

    private BlockDriver(DriverSession session, BlockDriverOptions options)
    {
        _session = session;
        ReadConfig();
        SegmentsMax = Has(BlockFeatures.SegmentsMax)
            ? (int)Math.Clamp(_config.SegMax, 1u, (uint)options.SegmentsMax)
            : 1;
        uint queueCount = Has(BlockFeatures.MultiQueue) ? Math.Max(1u, _config.NumQueues) : 1;
        int count = (int)Math.Min((uint)Math.Min(options.QueueCount, session.Device.Queues.Count), queueCount);
        session.StartQueues(count, SegmentsMax + FramingPieces);
        _queues = new BlockQueue[count];
        for (int index = 0; index < count; index++)
        {
            QueueClient queue = session.Queues[index];
            _queues[index] = new(this, queue, session.Memory, Math.Min(options.Depth, queue.Size));
        }

        int transferBytes = Has(BlockFeatures.SizeMax)
            ? (int)Math.Min((uint)options.TransferBytes, _config.SizeMax)
            : options.TransferBytes;
        _transfer = session.Memory.Allocate(Math.Max(transferBytes / BlockBytes * BlockBytes, BlockBytes));
    }

    /// <summary>What was negotiated; see <see cref="BlockFeatures"/> for the numbers.</summary>
    public FeatureSet Features => _session.Features;

    /// <summary>Size of the disk in sectors of 512 bytes, as the device last said.</summary>
    public ulong CapacitySectors
    {
        get
        {
            RefreshConfig();
            return _config.Capacity;
        }
    }

    /// <summary>Logical block size in bytes: offsets and lengths of requests are multiples of it.</summary>
    public int BlockBytes { get; private set; }

    /// <summary>Whether writes are refused.</summary>
    public bool IsReadOnly => Has(BlockFeatures.ReadOnly);

    /// <summary>How many buffers one request may consist of.</summary>
    public int SegmentsMax { get; }

    /// <summary>How many queues run.</summary>
    public int QueueCount => _queues.Length;

    /// <summary>The memory from which buffers for requests are allocated.</summary>
    public DriverMemory Memory => _session.Memory;

    /// <summary>The hold on the device.</summary>
    public DriverSession Session => _session;

    /// <summary>Brings a block device up.</summary>
    /// <param name="device">The device; from here on the driver's, which disposes it, even when this call fails.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The device refuses, is of another type, or says impossible things of itself.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static BlockDriver Open(VirtioDevice device, BlockDriverOptions? options = null)
    {
        options ??= new();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.SegmentsMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.SegmentsMax, SegmentsLimit);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.TransferBytes, BlockDevice.SectorBytes);
        var session = DriverSession.Open(device, Wanted, options);
        try
        {
            return new(session, options);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>A queue, for batches.</summary>
    /// <param name="index">Which, below <see cref="QueueCount"/>.</param>
    public BlockQueue Queue(int index) => _queues[index];

    /// <summary>Whether a feature was negotiated.</summary>
    /// <param name="feature">Its number; see <see cref="BlockFeatures"/>.</param>
    public bool Has(int feature) => Features.Contains(feature);

    /// <summary>Reads bytes and waits for them.</summary>
    /// <param name="offsetBytes">First byte on the disk; a multiple of the block size.</param>
    /// <param name="destination">Filled; its length is a multiple of the block size.</param>
    /// <exception cref="ArgumentException">Offset or length is not a multiple of the block size, or lies beyond the end.</exception>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public void Read(long offsetBytes, Span<byte> destination)
    {
        CheckAligned(offsetBytes, destination.Length);
        lock (_gate)
        {
            while (destination.Length > 0)
            {
                DriverBuffer part = _transfer.Slice(0, Math.Min(destination.Length, _transfer.Length));
                _queues[0].TryRead((ulong)offsetBytes / BlockDevice.SectorBytes, in part, tag: 0);
                Finish("read", offsetBytes);
                part.Bytes.CopyTo(destination);
                destination = destination[part.Length..];
                offsetBytes += part.Length;
            }
        }
    }

    /// <summary>Writes bytes and waits until the device has them; see <see cref="Flush"/> for when they are stable.</summary>
    /// <param name="offsetBytes">First byte on the disk; a multiple of the block size.</param>
    /// <param name="source">The bytes; the length is a multiple of the block size.</param>
    /// <exception cref="ArgumentException">Offset or length is not a multiple of the block size, or lies beyond the end.</exception>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public void Write(long offsetBytes, ReadOnlySpan<byte> source)
    {
        CheckAligned(offsetBytes, source.Length);
        lock (_gate)
        {
            while (source.Length > 0)
            {
                DriverBuffer part = _transfer.Slice(0, Math.Min(source.Length, _transfer.Length));
                source[..part.Length].CopyTo(part.Bytes);
                _queues[0].TryWrite((ulong)offsetBytes / BlockDevice.SectorBytes, in part, tag: 0);
                Finish("write", offsetBytes);
                source = source[part.Length..];
                offsetBytes += part.Length;
            }
        }
    }

    /// <summary>Makes all completed writes stable, and waits for it. Nothing to do where the device has no flush.</summary>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public void Flush()
    {
        if (!Has(BlockFeatures.Flush))
        {
            return;
        }

        lock (_gate)
        {
            _queues[0].TryFlush(tag: 0);
            Finish("flush", 0);
        }
    }

    /// <summary>Tells the device that a range is not needed any more, and waits for it.</summary>
    /// <param name="offsetBytes">First byte; a multiple of the block size.</param>
    /// <param name="lengthBytes">Length; a multiple of the block size.</param>
    /// <exception cref="ArgumentException">Offset or length is not a multiple of the block size, or lies beyond the end.</exception>
    /// <exception cref="NotSupportedException">The device has no discard.</exception>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public void Discard(long offsetBytes, long lengthBytes)
    {
        CheckAligned(offsetBytes, lengthBytes);
        lock (_gate)
        {
            ForEachPart(
                offsetBytes,
                lengthBytes,
                _config.MaxDiscardSectors,
                "discard",
                (sector, count) => _queues[0].TryDiscard(sector, count, tag: 0)
            );
        }
    }

    /// <summary>Makes a range read as zeros, and waits for it.</summary>
    /// <param name="offsetBytes">First byte; a multiple of the block size.</param>
    /// <param name="lengthBytes">Length; a multiple of the block size.</param>
    /// <param name="mayUnmap">Whether the device may free the storage behind it.</param>
    /// <exception cref="ArgumentException">Offset or length is not a multiple of the block size, or lies beyond the end.</exception>
    /// <exception cref="NotSupportedException">The device has no write zeroes.</exception>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public void WriteZeroes(long offsetBytes, long lengthBytes, bool mayUnmap = false)
    {
        CheckAligned(offsetBytes, lengthBytes);
        lock (_gate)
        {
            ForEachPart(
                offsetBytes,
                lengthBytes,
                _config.MaxWriteZeroesSectors,
                "write zeroes",
                (sector, count) => _queues[0].TryWriteZeroes(sector, count, mayUnmap, tag: 0)
            );
        }
    }

    /// <summary>Asks the device for its identification.</summary>
    /// <returns>Up to 20 characters; those that are not ASCII are replaced by question marks.</returns>
    /// <exception cref="DriverException">The device answered with an error, or has gone.</exception>
    public string ReadSerial()
    {
        lock (_gate)
        {
            DriverBuffer part = _transfer.Slice(0, BlockDevice.SerialBytesMax);
            part.Bytes.Clear();
            _queues[0].TryGetId(in part, tag: 0);
            Finish("identification", 0);
            Span<byte> copy = stackalloc byte[BlockDevice.SerialBytesMax];
            part.Bytes.CopyTo(copy);
            int end = copy.IndexOf((byte)0);
            return Encoding.ASCII.GetString(end < 0 ? copy : copy[..end]);
        }
    }

    /// <summary>Resets the device and ends it. One that is gone is let go all the same.</summary>
    public void Dispose() => _session.Dispose();

    /// <summary>Submits the request that was made and waits for it.</summary>
    private void Finish(string request, long offsetBytes)
    {
        BlockQueue queue = _queues[0];
        if (queue.InFlight != 1)
        {
            throw new InvalidOperationException(
                "queue 0 has requests of its own; blocking calls need it to themselves"
            );
        }

        queue.Submit();
        Span<BlockCompletion> completion = stackalloc BlockCompletion[1];
        queue.Wait(completion, Timeout.InfiniteTimeSpan);
        if (!completion[0].IsDone)
        {
            throw new DriverException(
                $"the device answered {completion[0].Status} to a {request} at byte {offsetBytes}"
            );
        }
    }

    private void ForEachPart(
        long offsetBytes,
        long lengthBytes,
        uint sectorsMax,
        string request,
        Func<ulong, uint, bool> make
    )
    {
        uint blockSectors = (uint)BlockBytes / BlockDevice.SectorBytes;
        uint limit = sectorsMax == 0 ? uint.MaxValue : sectorsMax;
        limit = Math.Max(limit / blockSectors * blockSectors, blockSectors);
        while (lengthBytes > 0)
        {
            uint count = (uint)Math.Min(lengthBytes / BlockDevice.SectorBytes, limit);
            make((ulong)offsetBytes / BlockDevice.SectorBytes, count);
            Finish(request, offsetBytes);
            offsetBytes += (long)count * BlockDevice.SectorBytes;
            lengthBytes -= (long)count * BlockDevice.SectorBytes;
        }
    }

    private void CheckAligned(long offsetBytes, long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        if (offsetBytes % BlockBytes != 0 || lengthBytes % BlockBytes != 0)
        {
            throw new ArgumentException(
                $"{lengthBytes} bytes at {offsetBytes}: offset and length are multiples of the block size, {BlockBytes} bytes"
            );
        }
    }

    /// <summary>No request may reach beyond the end (VIRTIO 1.4 §5.2.5.1). Any thread.</summary>
    /// <exception cref="ArgumentOutOfRangeException">This one would.</exception>
    internal void CheckInside(ulong sector, long lengthBytes)
    {
        ulong count = (ulong)lengthBytes / BlockDevice.SectorBytes;
        ulong capacity = _config.Capacity;
        if (count > capacity || sector > capacity - count)
        {
            ThrowUnlessGrown(sector, count);
        }
    }

    /// <summary>The disk may have grown since it was last asked.</summary>
    private void ThrowUnlessGrown(ulong sector, ulong count)
    {
        ulong capacity = CapacitySectors;
        if (count > capacity || sector > capacity - count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(sector),
                $"{count} sectors from {sector} on do not lie on a disk of {capacity}"
            );
        }
    }

    private void RefreshConfig()
    {
        if (_session.ConfigChangeCount == _configSeen)
        {
            return;
        }

        lock (_configGate)
        {
            ReadConfig();
        }
    }

    private void ReadConfig()
    {
        _configSeen = _session.ConfigChangeCount;
        Span<byte> bytes = stackalloc byte[Wire.SizeOf<BlockConfig>()];
        bytes.Clear();
        _session.ReadConfig(0, bytes[..ConfigBytes]);
        _config = Wire.Read<BlockConfig>(bytes);
        uint blockBytes = Has(BlockFeatures.BlockSize) ? (uint)_config.BlkSize : BlockDevice.SectorBytes;
        if (
            blockBytes < BlockDevice.SectorBytes
            || blockBytes > 1 << 20
            || !System.Numerics.BitOperations.IsPow2(blockBytes)
        )
        {
            throw new DeviceException($"the device says that its blocks have {blockBytes} bytes");
        }

        BlockBytes = (int)blockBytes;
    }
}
