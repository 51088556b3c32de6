using Vireo.Backends.Block.Images;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Nbd;

/// <summary>A disk that an NBD server exports: qemu-nbd, nbdkit and what stands behind them, nbd-server.</summary>
/// <remarks>One connection, however many queues. When it is lost, requests wait for another one, and are sent again.</remarks>
public sealed class NbdDisk : IBlockBackend, IDisposable
{
    private const int BlockBytesMax = 65536;

    private readonly EventLoopGroup _loops;

    private NbdDisk(NbdClient client, EventLoopGroup loops, NbdOptions options)
    {
        Client = client;
        _loops = loops;
        NbdExport export = client.Export;
        int logical = Math.Max(
            options.LogicalBlockBytes == 0 ? BlockDevice.SectorBytes : options.LogicalBlockBytes,
            export.BlockBytesMin
        );
        long whole = export.LengthBytes / logical;
        PayloadBytesMax = export.PayloadBytesMax - export.PayloadBytesMax % logical;
        if (PayloadBytesMax == 0)
        {
            throw new DeviceException(
                $"the server takes {export.PayloadBytesMax} bytes at once, less than a block of {logical}"
            );
        }

        bool isReadOnly = options.IsReadOnly || export.Flags.HasFlag(NbdExportFlags.ReadOnly);
        bool hasTrim = options.AllowsDiscard && export.Flags.HasFlag(NbdExportFlags.Trim);
        int preferred = Math.Min(export.BlockBytesPreferred, BlockBytesMax);
        StopPatience = options.StopPatience;
        CanFlush = export.Flags.HasFlag(NbdExportFlags.Flush) && !options.IsUnsafe;
        HasFua = export.Flags.HasFlag(NbdExportFlags.Fua);
        CapacitySectors = whole * (logical / BlockDevice.SectorBytes);
        Traits = new()
        {
            IsReadOnly = isReadOnly,
            LogicalBlockBytes = logical,
            PhysicalBlockBytes = Math.Max(logical, preferred),
            IsWriteThrough = options.IsWriteThrough,
            Discard = hasTrim ? new(long.MaxValue, Math.Max(logical, preferred)) : null,
            WriteZeroes = export.Flags.HasFlag(NbdExportFlags.WriteZeroes) ? new(long.MaxValue, logical) : null,
            WriteZeroesMayUnmap = options.AllowsDiscard,
        };
    }

    /// <inheritdoc/>
    public BlockTraits Traits { get; }

    /// <inheritdoc/>
    public long CapacitySectors { get; }

    /// <inheritdoc/>
    public Action? CapacityChanged { get; set; }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime => null;

    /// <inheritdoc/>
    public IBlockZones? Zones => null;

    /// <summary>Whether flushes mean anything.</summary>
    internal bool CanFlush { get; }

    /// <summary>Whether a write can be asked to be stable.</summary>
    internal bool HasFua { get; }

    /// <summary>The most that one request may read or write.</summary>
    internal int PayloadBytesMax { get; }

    /// <summary>How long a server may be silent when a queue is to stop.</summary>
    internal TimeSpan StopPatience { get; }

    /// <summary>The connection.</summary>
    internal NbdClient Client { get; }

    /// <summary>Connects to an export.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's and outlive the disk.</param>
    /// <param name="options">How it is used; null for the defaults.</param>
    /// <returns>The disk, the caller's.</returns>
    /// <exception cref="ImageException">The server is not there, or is not what it should be.</exception>
    /// <exception cref="DeviceException">It cannot be a disk.</exception>
    public static NbdDisk Open(NbdAddress address, EventLoopGroup loops, NbdOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(loops);
        var client = NbdClient.Open(address, options ?? new());
        try
        {
            return new(client, loops, options ?? new());
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions)
    {
        NbdChannel channel = new(this, _loops[queueIndex], tagCount, completions);
        channel.Start();
        return channel;
    }

    /// <summary>Leaves the server. No channel may be open.</summary>
    public void Dispose() => Client.Dispose();
}
