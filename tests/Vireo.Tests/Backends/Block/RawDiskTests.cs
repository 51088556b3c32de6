using Vireo.Backends.Block.Raw;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block;

/// <summary>A raw file, whichever engine and cache mode it is used with.</summary>
public abstract class RawDiskTests : BlockBackendTests, IDisposable
{
    private const int Sector = BlockDevice.SectorBytes;

    private readonly TemporaryFolder _folder = new();
    private readonly EngineChoice _engine;
    private readonly CacheMode _cache;

    private protected RawDiskTests(EngineChoice engine, CacheMode cache)
    {
        _engine = engine;
        _cache = cache;
    }

    private string ImagePath => Path.Combine(_folder.Path, "disk.raw");

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Write_ReachesTheFile()
    {
        byte[] data = Pattern(70_000 / Sector * Sector, seed: 11);
        using (ChannelBench bench = Open())
        {
            bench.Write(3 * Sector, data);
            Assert.Equal(BlockResult.Done, bench.Flush());
        }

        Assert.Equal(data, File.ReadAllBytes(ImagePath)[(3 * Sector)..(3 * Sector + data.Length)]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(512)]
    [InlineData(520)]
    public void ReadAndWrite_MemoryThatIsNotAligned_MoveTheSameBytes(int misalignment)
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(640 * 1024, seed: misalignment);

        Assert.Equal(BlockResult.Done, bench.Write(4096, data, misalignment: misalignment));
        Assert.Equal(data, bench.Read(4096, data.Length));
        Assert.Equal(data, bench.Read(4096, data.Length, misalignment: misalignment));
    }

    [Fact]
    public void Requests_MoreUnalignedOnesThanBuffers_AllEnd()
    {
        using ChannelBench bench = Open();
        for (uint tag = 0; tag < 50; tag++)
        {
            bench.PostWrite(tag, tag * 8192L, Pattern(8192, (int)tag), segmentBytes: 100);
        }

        bench.WaitForAll();
        for (uint tag = 0; tag < 50; tag++)
        {
            bench.PostRead(tag, tag * 8192L, 8192, segmentBytes: 100);
        }

        bench.WaitForAll();
        for (uint tag = 0; tag < 50; tag++)
        {
            Assert.Equal(Pattern(8192, (int)tag), bench.BytesOf(tag));
        }
    }

    [Fact]
    [Clause("block.dev.023")]
    public void Discard_WholePages_FreesStorage()
    {
        using ChannelBench bench = Open();
        bench.Write(0, Pattern(4 << 20, seed: 1));
        bench.Flush();
        long before = FileStatus.TryGet(ImagePath)!.AllocatedBytes;

        Assert.Equal(BlockResult.Done, bench.Discard(0, 4 << 20));

        Assert.True(FileStatus.TryGet(ImagePath)!.AllocatedBytes < before);
    }

    [Fact]
    public void WriteZeroes_WithoutUnmap_KeepsStorage()
    {
        using ChannelBench bench = Open();
        bench.Write(0, Pattern(4 << 20, seed: 1));
        bench.Flush();
        long before = FileStatus.TryGet(ImagePath)!.AllocatedBytes;

        Assert.Equal(BlockResult.Done, bench.WriteZeroes(0, 4 << 20, mayUnmap: false));

        Assert.Equal(before, FileStatus.TryGet(ImagePath)!.AllocatedBytes);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(513)]
    [InlineData(4096 + 300)]
    public void Read_FileEndsInsideTheLastBlock_ReadsZeroesBehindIt(int bytes)
    {
        byte[] content = Pattern(bytes, seed: bytes);
        File.WriteAllBytes(ImagePath, content);
        int whole = (bytes + Sector - 1) / Sector * Sector;
        using ChannelBench bench = OpenExisting();

        Assert.Equal(whole / Sector, bench.Backend.CapacitySectors);
        Assert.Equal([.. content, .. new byte[whole - bytes]], bench.Read(0, whole));

        byte[] last = Pattern(Sector, seed: 2);
        Assert.Equal(BlockResult.Done, bench.Write(whole - Sector, last));
        Assert.Equal(last, bench.Read(whole - Sector, Sector));
    }

    [Fact]
    public void Read_FileCutBehindOurBack_Fails()
    {
        using ChannelBench bench = Open();
        bench.Write(0, Pattern(65536, seed: 4));
        SetLength(8192);

        Assert.Equal(BlockResult.IoError, bench.TryRead(32768, 4096));
        Assert.Equal(BlockResult.IoError, bench.TryRead(4096, 16384));
        Assert.Equal(BlockResult.Done, bench.TryRead(0, 8192));
        Assert.Equal(BlockResult.Done, bench.Write(32768, Pattern(4096, seed: 5)));
        Assert.Equal(Pattern(4096, seed: 5), bench.Read(32768, 4096));
    }

    [Fact]
    public void Refresh_FileGrewAndShrank_TellsTheDevice()
    {
        using ChannelBench bench = Open(sectors: 16);
        var disk = (RawDisk)bench.Backend;
        int changes = 0;
        disk.CapacityChanged = () => changes++;

        Assert.False(disk.Refresh());
        SetLength(32 * Sector);
        Assert.True(disk.Refresh());
        Assert.Equal(32, disk.CapacitySectors);
        Assert.Equal(BlockResult.Done, bench.Write(31 * Sector, Pattern(Sector, seed: 1)));
        SetLength(8 * Sector);
        Assert.True(disk.Refresh());
        Assert.Equal(8, disk.CapacitySectors);
        Assert.Equal(2, changes);
    }

    [Fact]
    public void ReadAndWrite_CutInPieces_LeaveTheSegmentsAsTheyWere()
    {
        using ChannelBench bench = Open(sectors: 16);
        SetLength(3 * Sector);
        Assert.Equal(BlockResult.IoError, bench.TryRead(0, 8 * Sector));

        Assert.Equal(8 * Sector, bench.SegmentsOf(0).Sum(static segment => segment.Length));
        bench.Write(0, Pattern(8 * Sector, seed: 1), segmentBytes: 700);
        Assert.Equal(8 * Sector, bench.SegmentsOf(0).Sum(static segment => segment.Length));
    }

    [Fact]
    public void Open_SecureEraseOfAFile_IsRefused()
    {
        File.WriteAllBytes(ImagePath, new byte[Sector]);
        using var loops = EventLoopGroup.Start(1);

        Assert.Throws<DeviceException>(() => RawDisk.Open(ImagePath, loops, new() { HasSecureErase = true }));
    }

    [Fact]
    public void Open_InUseForWriting_IsRefusedBothWays()
    {
        using (ChannelBench bench = Open())
        {
            DeviceException writer = Assert.Throws<DeviceException>(() => OpenExisting());
            DeviceException reader = Assert.Throws<DeviceException>(() => OpenExisting(isReadOnly: true));
            Assert.Contains("in use by another program", writer.Message, StringComparison.Ordinal);
            Assert.Contains(ImagePath, reader.Message, StringComparison.Ordinal);
        }

        using ChannelBench first = OpenExisting(isReadOnly: true);
        using ChannelBench second = OpenExisting(isReadOnly: true);
        Assert.Throws<DeviceException>(() => OpenExisting());
    }

    [Theory]
    [InlineData(CacheMode.Writeback, false)]
    [InlineData(CacheMode.None, false)]
    [InlineData(CacheMode.Writethrough, true)]
    [InlineData(CacheMode.Directsync, true)]
    [InlineData(CacheMode.Unsafe, false)]
    public void Open_AnyCacheMode_SaysWhetherItIsWriteThrough(CacheMode cache, bool isWriteThrough)
    {
        File.WriteAllBytes(ImagePath, new byte[8192]);
        using var loops = EventLoopGroup.Start(1);
        using var disk = RawDisk.Open(ImagePath, loops, new() { Engine = _engine, Cache = cache });
        using ChannelBench bench = new(disk, loops[0]);

        Assert.Equal(isWriteThrough, disk.Traits.IsWriteThrough);
        Assert.Equal(BlockResult.Done, bench.Write(512, Pattern(1024, seed: 1)));
        Assert.Equal(BlockResult.Done, bench.Flush());
        Assert.Equal(Pattern(1024, seed: 1), bench.Read(512, 1024));
    }

    [Fact]
    public void Open_NoSuchFile_SaysWhich()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() => OpenExisting());

        Assert.Equal(Errno.ENOENT, exception.Error);
        Assert.Contains(ImagePath, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_NotADisk_SaysWhat()
    {
        using var loops = EventLoopGroup.Start(1);

        DeviceException exception = Assert.Throws<DeviceException>(() =>
            RawDisk.Open("/dev/null", loops, new() { Engine = _engine, IsReadOnly = true })
        );

        Assert.Contains("CharacterDevice", exception.Message, StringComparison.Ordinal);
    }

    private void SetLength(long bytes)
    {
        using FileStream file = new(ImagePath, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(bytes);
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        using (FileStream file = new(ImagePath, FileMode.Create))
        {
            file.SetLength(sectors * Sector);
        }

        return OpenExisting();
    }

    private protected ChannelBench OpenExisting(bool isReadOnly = false)
    {
        var loops = EventLoopGroup.Start(1);
        try
        {
            RawDiskOptions options = new()
            {
                Engine = _engine,
                Cache = _cache,
                IsReadOnly = isReadOnly,
            };
            var disk = RawDisk.Open(ImagePath, loops, options);
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }
}
