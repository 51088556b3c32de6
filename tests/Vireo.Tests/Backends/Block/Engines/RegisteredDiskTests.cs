using Vireo.Backends.Block.Raw;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Engines;

/// <summary>A raw file whose requests lie in memory that io_uring was told of.</summary>
public sealed class RegisteredDiskTests : IDisposable
{
    private const int DiskBytes = 1 << 20;
    private const int HalfBytes = 1 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly MemoryMapping _mapping = MemoryMapping.MapAnonymous(2 * HalfBytes);
    private readonly List<string> _warnings = [];

    /// <summary>Two regions that lie apart for the guest, and beside each other here.</summary>
    private MappedMemory Memory =>
        new([new(new(0), HalfBytes, _mapping.Address), new(new(1ul << 32), HalfBytes, _mapping.Address + HalfBytes)]);

    public void Dispose()
    {
        _mapping.Dispose();
        _loops.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(0, 4096)]
    [InlineData(4096, 65536)]
    [InlineData(HalfBytes, 4096)]
    [InlineData(HalfBytes - 4096, 8192)]
    [InlineData(512, 4096)]
    public void Transfers_AnywhereInTheMemory_MoveTheSameBytes(int at, int length)
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(length);
        data.CopyTo(_mapping.GetSpan((nuint)at, length));

        Assert.Equal(
            BlockResult.Done,
            bench.Do(channel => channel.Write(0, Pieces(at, length), 131072, isStable: false))
        );
        Assert.Equal(BlockResult.Done, bench.Do(channel => channel.Write(0, Pieces(at, length), 0, isStable: true)));
        _mapping.GetSpan((nuint)at, length).Clear();
        Assert.Equal(BlockResult.Done, bench.Do(channel => channel.Read(0, Pieces(at, length), 131072)));

        Assert.Equal(data, _mapping.GetSpan((nuint)at, length).ToArray());
        Assert.Equal(data, File.ReadAllBytes(_folder["disk.raw"])[..length]);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Transfers_OutsideTheMemory_MoveTheSameBytes()
    {
        using ChannelBench bench = Open();

        Assert.Equal(BlockResult.Done, bench.Write(4096, Pattern(20_480)));
        Assert.Equal(Pattern(20_480), bench.Read(4096, 20_480));
    }

    [Fact]
    public void Read_PagesTakenAwayMeanwhile_GoesToThoseThatWereRegistered()
    {
        using ChannelBench bench = Open();
        Assert.Equal(BlockResult.Done, bench.Write(0, Pattern(4096)));

        // What a balloon does; and the one way to see that the kernel did not look the pages up again.
        _mapping.Advise(0, HalfBytes, MemoryAdvice.Drop);
        Assert.Equal(BlockResult.Done, bench.Do(channel => channel.Read(0, Pieces(0, 4096), 0)));

        Assert.Equal(new byte[4096], _mapping.GetSpan(0, 4096).ToArray());
        Assert.Empty(_warnings);
    }

    [Fact]
    public void UseMemory_BehindATranslation_SaysSoAndServes()
    {
        using RawDisk disk = OpenDisk(CacheMode.None);
        using ChannelBench bench = new(disk, _loops[0]);
        bench.Channel.UseMemory(new TranslatedMemory(new Iotlb(static (_, _) => { }), Memory));

        Assert.Contains("translation", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Equal(BlockResult.Done, bench.Do(channel => channel.Read(0, Pieces(0, 4096), 0)));
    }

    [Fact]
    public void UseMemory_ThatIsNotThere_SaysSoAndServes()
    {
        using RawDisk disk = OpenDisk(CacheMode.None);
        using ChannelBench bench = new(disk, _loops[0]);
        bench.Channel.UseMemory(new MappedMemory([new(new(0), 4096, hostAddress: 4096)]));

        Assert.Contains("not registered", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Equal(BlockResult.Done, bench.Do(channel => channel.Read(0, Pieces(0, 4096), 0)));
    }

    [Fact]
    public void Open_WithThePageCache_IsRefused()
    {
        DeviceException exception = Assert.Throws<DeviceException>(() => OpenDisk(CacheMode.Writeback));

        Assert.Contains("directsync", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Transfers_WhereMemoryIsRegistered_AllocateNothing()
    {
        using ChannelBench bench = Open();

        Assert.Equal(0, bench.MeasureAllocations(1000, 0, 4096));
    }

    private ChannelBench Open()
    {
        RawDisk disk = OpenDisk(CacheMode.None);
        ChannelBench bench = new(disk, _loops[0], disk);
        bench.Channel.UseMemory(Memory);
        return bench;
    }

    private RawDisk OpenDisk(CacheMode cache)
    {
        using (FileStream file = File.Create(_folder["disk.raw"]))
        {
            file.SetLength(DiskBytes);
        }

        RawDiskOptions options = new()
        {
            Engine = EngineChoice.IoUring,
            Cache = cache,
            RegistersMemory = true,
            Warn = _warnings.Add,
        };
        return RawDisk.Open(_folder["disk.raw"], _loops, options);
    }

    /// <summary>A range of the memory as a device finds it: in as many pieces as regions.</summary>
    private ArraySegment<Segment> Pieces(int at, int length)
    {
        int first = at < HalfBytes ? Math.Min(length, HalfBytes - at) : length;
        Segment[] pieces = GC.AllocateArray<Segment>(first == length ? 1 : 2, pinned: true);
        pieces[0] = new(_mapping.Address + at, (nuint)first);
        if (first < length)
        {
            pieces[1] = new(_mapping.Address + at + first, (nuint)(length - first));
        }

        return pieces;
    }

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
