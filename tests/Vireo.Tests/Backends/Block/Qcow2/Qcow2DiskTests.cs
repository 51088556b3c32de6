using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Backends.Block.Raw;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Qcow2;

/// <summary>A qcow2 image on a loop, whichever engine, cache mode and variant of the format.</summary>
public abstract class Qcow2DiskTests : BlockBackendTests, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly EngineChoice _engine;
    private readonly CacheMode _cache;
    private readonly Qcow2Options _options;

    private protected Qcow2DiskTests(EngineChoice engine, CacheMode cache, Qcow2Options options)
    {
        _engine = engine;
        _cache = cache;
        _options = options;
    }

    private string ImagePath => _folder["disk.qcow2"];

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Requests_ManyToOneCluster_AllEndAndNoneIsLost()
    {
        const int Count = 128;
        using (ChannelBench bench = Open())
        {
            for (int index = 0; index < Count; index++)
            {
                bench.PostWrite((uint)index, index * 512L, Pattern(512, seed: index));
            }

            bench.WaitForAll();
            for (int index = 0; index < Count; index++)
            {
                Assert.Equal(Pattern(512, seed: index), bench.Read(index * 512L, 512));
            }
        }

        AssertWhole();
    }

    [Fact]
    public void Open_AfterClose_FindsWhatWasWritten()
    {
        byte[] data = Pattern(300 * 1024, seed: 5);
        using (ChannelBench bench = Open())
        {
            Assert.Equal(BlockResult.Done, bench.Write(1536, data));
            Assert.Equal(BlockResult.Done, bench.Discard(0, 8 << 20));
            Assert.Equal(BlockResult.Done, bench.Write(70_000 / 512 * 512, data));
            Assert.Equal(BlockResult.Done, bench.WriteZeroes(131072, 65536, mayUnmap: true));
        }

        using (ChannelBench bench = OpenExisting())
        {
            byte[] expected = new byte[1 << 20];
            data.CopyTo(expected, 70_000 / 512 * 512);
            expected.AsSpan(131072, 65536).Clear();
            int end = 70_000 / 512 * 512;
            Assert.Equal(expected[end..], bench.Read(end, expected.Length - end));
        }

        AssertWhole();
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        Qcow2Image.Create(ImagePath, _options with { LengthBytes = sectors * 512 });
        return OpenExisting();
    }

    private ChannelBench OpenExisting()
    {
        var loops = EventLoopGroup.Start(1);
        try
        {
            RawDiskOptions options = new() { Engine = _engine, Cache = _cache };
            ImageDisk disk = DiskImages.OpenDisk(ImagePath, new() { Format = ImageFormat.Qcow2 }, loops, options);
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }

    private void AssertWhole()
    {
        Qcow2CheckResult result = Qcow2Image.Check(ImagePath, Qcow2Repair.None);
        Assert.Equal([], result.Messages);
        Assert.Equal(0, result.Leaks);
        Assert.Equal(0, result.Corruptions);
    }
}
