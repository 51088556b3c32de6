using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Raw;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Images;

/// <summary>An image of any format as a disk.</summary>
public sealed class ImageDisk : IBlockBackend, IDisposable
{
    /// <summary>Memory through which a worker moves data.</summary>
    internal const int BufferBytes = 1 << 20;

    /// <summary>The longest range zeroed at once: where it has to be written out, that takes a disk about a second.</summary>
    private const long ZeroBytesMax = 1L << 30;

    private const int BuffersKeptMax = 8;
    private const int UsualPhysicalBlock = 4096;

    private readonly Stack<byte[]> _buffers = new();
    private readonly Lock _bufferGate = new();

    /// <summary>Serves an image.</summary>
    /// <param name="image">The image; becomes this object's.</param>
    /// <param name="file">The file in which the image's fast mapping lies; becomes this object's. Null for none.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's and outlive the disk.</param>
    /// <param name="options">How.</param>
    internal ImageDisk(DiskImage image, RawDisk? file, EventLoopGroup loops, RawDiskOptions options)
    {
        Image = image;
        File = file;
        Loops = loops;
        Workers = new("img-worker", options.ThreadsMax);
        int logical = options.LogicalBlockBytes == 0 ? BlockDevice.SectorBytes : options.LogicalBlockBytes;
        CapacitySectors = image.LengthBytes / logical * (logical / BlockDevice.SectorBytes);
        Traits = new()
        {
            IsReadOnly = image.IsReadOnly,
            LogicalBlockBytes = logical,
            PhysicalBlockBytes = Math.Max(logical, UsualPhysicalBlock),
            OptimalTransferBytes = image.ClusterBytes,
            IsWriteThrough = options.Cache is CacheMode.Writethrough or CacheMode.Directsync,
            Discard = options.AllowsDiscard ? new(long.MaxValue, Math.Max(image.ClusterBytes, logical)) : null,
            WriteZeroes = new(ZeroBytesMax, logical),
            WriteZeroesMayUnmap = options.AllowsDiscard,
        };
    }

    /// <summary>The image.</summary>
    public DiskImage Image { get; }

    /// <inheritdoc/>
    public BlockTraits Traits { get; }

    /// <inheritdoc/>
    public long CapacitySectors { get; }

    /// <inheritdoc/>
    public Action? CapacityChanged { get; set; }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime => File?.Lifetime;

    /// <inheritdoc/>
    public IBlockZones? Zones => null;

    /// <summary>How the file is read and written, for people.</summary>
    public string EngineDescription => File?.EngineDescription ?? "worker threads";

    /// <summary>Called with what the image did wrong, on a worker's thread; null, the default, for nobody. Set before a channel is opened.</summary>
    public Action<Exception>? ImageFailed { get; set; }

    /// <summary>The file of the image, for what needs no worker.</summary>
    internal RawDisk? File { get; }

    /// <summary>The loops of the home.</summary>
    internal EventLoopGroup Loops { get; }

    /// <summary>Threads for what may wait.</summary>
    internal WorkerPool Workers { get; }

    /// <inheritdoc/>
    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new ImageChannel(this, queueIndex, tagCount, completions);

    /// <summary>Brings everything into the image and closes it. No channel may be open.</summary>
    public void Dispose()
    {
        Workers.Dispose();
        Image.Dispose();
        File?.Dispose();
    }

    /// <summary>Takes memory for a worker.</summary>
    internal byte[] TakeBuffer()
    {
        lock (_bufferGate)
        {
            if (_buffers.TryPop(out byte[]? buffer))
            {
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>(BufferBytes);
    }

    /// <summary>Gives it back.</summary>
    internal void ReturnBuffer(byte[] buffer)
    {
        lock (_bufferGate)
        {
            if (_buffers.Count < BuffersKeptMax)
            {
                _buffers.Push(buffer);
            }
        }
    }

    /// <summary>Tells what an image did wrong.</summary>
    internal void Report(Exception exception) => ImageFailed?.Invoke(exception);
}
