using Vireo.Backends.Block.Images;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Rbd;

namespace Vireo.Backends.Block.Rbd;

/// <summary>A disk in a Ceph cluster, by the host's librbd.</summary>
/// <remarks>
/// One image, however many queues. librbd signals one descriptor, which the first loop watches; every queue that is awake looks for ended requests, too, and whoever
/// finds one hands it to its queue.
/// </remarks>
public sealed class RbdDisk : IBlockBackend, IDisposable
{
    /// <summary>What librbd rounds discards to, unless it is configured otherwise.</summary>
    private const int DiscardGranularity = 65536;

    /// <summary>What OSDs allocate at least.</summary>
    private const int PhysicalBytes = 4096;

    private readonly EventLoopGroup _loops;
    private readonly RbdReactor _reactor;
    private readonly Lock _gate = new();

    /// <summary>The channels by their places; replaced, never changed.</summary>
    private RbdChannel?[] _channels = [];

    private long _capacitySectors;

    private RbdDisk(RbdImage image, EventLoopGroup loops, RbdOptions options, bool isReadOnly)
    {
        Image = image;
        _loops = loops;
        int logical = options.LogicalBlockBytes == 0 ? BlockDevice.SectorBytes : options.LogicalBlockBytes;
        int physical = Math.Max(logical, PhysicalBytes);
        CanFlush = !options.IsUnsafe;
        Traits = new()
        {
            IsReadOnly = isReadOnly,
            LogicalBlockBytes = logical,
            PhysicalBlockBytes = physical,
            IsWriteThrough = options.IsWriteThrough,
            Discard = options.AllowsDiscard ? new(long.MaxValue, Math.Max(logical, DiscardGranularity)) : null,
            WriteZeroes = image.CanWriteZeroes ? new(long.MaxValue, logical) : null,
            WriteZeroesMayUnmap = options.AllowsDiscard,
        };
        _capacitySectors = SectorsNow();
        _reactor = new(this, loops[0]);
    }

    /// <inheritdoc/>
    public BlockTraits Traits { get; }

    /// <inheritdoc/>
    // Acquire: as Refresh has left it.
    public long CapacitySectors => Volatile.Read(ref _capacitySectors);

    /// <inheritdoc/>
    public Action? CapacityChanged { get; set; }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime => null;

    /// <inheritdoc/>
    public IBlockZones? Zones => null;

    /// <summary>Whether flushes mean anything.</summary>
    internal bool CanFlush { get; }

    /// <summary>The image.</summary>
    internal RbdImage Image { get; }

    /// <summary>Connects to a cluster and opens an image.</summary>
    /// <param name="address">Which.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's and outlive the disk.</param>
    /// <param name="options">How it is used; null for the defaults.</param>
    /// <returns>The disk, the caller's.</returns>
    /// <exception cref="ImageException">The host has no librbd.</exception>
    /// <exception cref="LinuxException">The cluster refused.</exception>
    public static RbdDisk Open(RbdAddress address, EventLoopGroup loops, RbdOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(loops);
        options ??= new();
        bool isReadOnly = options.IsReadOnly || address.Snapshot is not null;
        RbdImage image = OpenImage(address, options, isReadOnly);
        try
        {
            RbdDisk disk = new(image, loops, options, isReadOnly);
            disk._reactor.Start();
            return disk;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions)
    {
        RbdChannel channel = new(this, _loops[queueIndex], tagCount, completions);
        channel.Start();
        return channel;
    }

    /// <summary>Looks how large the image is now. Any thread.</summary>
    /// <returns>Whether it has another size.</returns>
    /// <exception cref="LinuxException">It cannot be told.</exception>
    public bool Refresh()
    {
        lock (_gate)
        {
            long sectors = SectorsNow();
            if (sectors == _capacitySectors)
            {
                return false;
            }

            // Release: who is told of the change sees it.
            Volatile.Write(ref _capacitySectors, sectors);
        }

        CapacityChanged?.Invoke();
        return true;
    }

    /// <summary>Closes the image and leaves the cluster. No channel may be open.</summary>
    public void Dispose()
    {
        _reactor.Dispose();
        Image.Dispose();
    }

    /// <summary>Gives a channel a place.</summary>
    internal int Enter(RbdChannel channel)
    {
        lock (_gate)
        {
            int place = Array.IndexOf(_channels, null);
            place = place < 0 ? _channels.Length : place;
            var channels = new RbdChannel?[Math.Max(_channels.Length, place + 1)];
            _channels.CopyTo(channels, 0);
            channels[place] = channel;
            // Release: the channel is there before its first request.
            Volatile.Write(ref _channels, channels);
            return place;
        }
    }

    /// <summary>Takes a channel's place away; nothing of it is on its way.</summary>
    internal void Leave(RbdChannel channel)
    {
        lock (_gate)
        {
            RbdChannel?[] channels = [.. _channels];
            int place = Array.IndexOf(channels, channel);
            if (place >= 0)
            {
                channels[place] = null;
                // Release: as in Enter.
                Volatile.Write(ref _channels, channels);
            }
        }
    }

    /// <summary>Takes requests that have ended and hands them to their channels. Any loop's thread.</summary>
    /// <param name="batch">Room for some; the caller's own.</param>
    /// <returns>Whether there were any.</returns>
    internal bool Deliver(RbdEvent[] batch)
    {
        int count = Image.TakeEvents(batch);
        // Acquire: a channel is there before its first request.
        RbdChannel?[] channels = Volatile.Read(ref _channels);
        for (int index = 0; index < count; index++)
        {
            ulong cookie = batch[index].Cookie;
            channels[(int)(cookie >> 32)]?.Post((uint)(cookie & uint.MaxValue), batch[index].Result);
        }

        return count > 0;
    }

    private static RbdImage OpenImage(RbdAddress address, RbdOptions options, bool isReadOnly)
    {
        try
        {
            return RbdImage.Open(
                new()
                {
                    Pool = address.Pool,
                    Namespace = address.Namespace,
                    Image = address.Image,
                    Snapshot = address.Snapshot,
                    ConfigurationFile = address.ConfigurationFile,
                    User = address.User,
                    Settings = address.Settings,
                    IsReadOnly = isReadOnly,
                    LibraryFolder = options.LibraryFolder,
                }
            );
        }
        catch (PlatformNotSupportedException exception)
        {
            throw new ImageException($"'{address.Text}': {exception.Message}", exception);
        }
    }

    private long SectorsNow()
    {
        long length = Image.GetLengthBytes();
        return length / Traits.LogicalBlockBytes * (Traits.LogicalBlockBytes / BlockDevice.SectorBytes);
    }
}
