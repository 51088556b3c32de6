using Vireo.Backends.Block.Memory;
using Vireo.Backends.Block.Raw;
using Vireo.Backends.Block.Zoned;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block;

/// <summary>Zones that outlive the process, and zones that cannot be.</summary>
public sealed class ZonedDiskTests : IDisposable
{
    private const int Sector = 512;
    private const int Zone = 2048;
    private const int Zones = 8;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Reopen_WrittenAndFinished_IsRemembered()
    {
        byte[] data = new byte[8 * Sector];
        data.AsSpan().Fill(9);
        using (ChannelBench bench = Open())
        {
            Assert.Equal(BlockResult.Done, bench.Write(Zone * Sector, data));
            Assert.Equal(BlockResult.Done, Manage(bench, BlockZoneAction.Open, 2));
            Assert.Equal(BlockResult.Done, Manage(bench, BlockZoneAction.Finish, 3));
            Assert.Equal(BlockResult.Done, bench.Flush());
        }

        using ChannelBench again = Open();
        Assert.Equal((8L, BlockZoneState.Closed), StateOf(again, 1));
        Assert.Equal((0L, BlockZoneState.Empty), StateOf(again, 2));
        Assert.Equal(BlockZoneState.Full, StateOf(again, 3).State);
        Assert.Equal(data, again.Read(Zone * Sector, data.Length));
        Assert.Equal(BlockResult.Done, again.Write((Zone + 8) * Sector, data));
        Assert.Equal(BlockResult.Done, Manage(again, BlockZoneAction.Reset, 1));
        Assert.Equal(new byte[data.Length], again.Read(Zone * Sector, data.Length));
    }

    [Fact]
    public void Reset_FreesStorage()
    {
        using ChannelBench bench = Open();
        bench.Write(Zone * Sector, new byte[Zone * Sector]);
        bench.Flush();
        long before = Vireo.Linux.Files.FileStatus.TryGet(_folder["disk"])!.AllocatedBytes;

        Assert.Equal(BlockResult.Done, Manage(bench, BlockZoneAction.ResetAll, 0));

        Assert.True(Vireo.Linux.Files.FileStatus.TryGet(_folder["disk"])!.AllocatedBytes < before);
    }

    [Theory]
    [Clause("block.dev.051")]
    [InlineData(8, 200)]
    [InlineData(8, 1)]
    [InlineData(7, 0xFF)]
    public void Reopen_StateThatCannotBe_IsOffline(int at, byte value)
    {
        using (ChannelBench bench = Open())
        {
            bench.Write(Zone * Sector, new byte[Sector]);
        }

        byte[] state = File.ReadAllBytes(_folder["zones"]);
        state[4096 + 16 + at] = value;
        File.WriteAllBytes(_folder["zones"], state);

        using ChannelBench again = Open();
        Assert.Equal(1, ((ZonedDisk)again.Backend).DamagedZones);
        Assert.Equal(BlockZoneState.Offline, StateOf(again, 1).State);
        Assert.Equal(BlockResult.ZoneInvalid, again.TryRead(Zone * Sector, Sector));
        Assert.Equal(BlockResult.ZoneInvalid, again.Write(Zone * Sector, new byte[Sector]));
        Assert.Equal(BlockResult.ZoneInvalid, Manage(again, BlockZoneAction.Reset, 1));
        Assert.Equal(BlockResult.Done, again.Write(2 * Zone * Sector, new byte[Sector]));
    }

    [Fact]
    public void Open_DividedOtherwise_IsRefused()
    {
        Open().Dispose();

        Assert.Throws<DeviceException>(() => Open(new() { ZoneSectors = Zone * 2 }));
        Assert.Throws<DeviceException>(() => Open(new() { ZoneSectors = Zone, ConventionalZones = 1 }));
    }

    [Theory]
    [InlineData(1000u, 0u, 0, 0u, 0u)]
    [InlineData(0u, 0u, 0, 0u, 0u)]
    [InlineData(2048u, 2049u, 0, 0u, 0u)]
    [InlineData(2048u, 0u, -1, 0u, 0u)]
    [InlineData(2048u, 0u, 0, 5u, 4u)]
    [InlineData(2048u, 0u, 0, 0u, 4u)]
    public void Constructor_OptionsThatMakeNoSense_AreRefused(
        uint zone,
        uint capacity,
        int conventional,
        uint open,
        uint active
    )
    {
        using var loops = EventLoopGroup.Start(1);
        ZonedDiskOptions options = new()
        {
            ZoneSectors = zone,
            ZoneCapacitySectors = capacity,
            ConventionalZones = conventional,
            OpenZonesMax = open,
            ActiveZonesMax = active,
        };

        Assert.Throws<DeviceException>(() => new ZonedDisk(new FakeBlockBackend(), loops, options));
    }

    [Fact]
    public void Write_CapacityBelowTheSize_EndsAtTheCapacity()
    {
        using MemoryDisk memory = new(Zone * Zones);
        var loops = EventLoopGroup.Start(1);
        ZonedDisk disk = new(memory, loops, new() { ZoneSectors = Zone, ZoneCapacitySectors = 16 });
        using ChannelBench bench = new(disk, loops[0], disk, loops);

        Assert.Equal(BlockResult.ZoneInvalid, bench.Write(0, new byte[17 * Sector]));
        Assert.Equal(BlockResult.Done, bench.Write(0, new byte[16 * Sector]));
        Assert.Equal((16L, BlockZoneState.Full), StateOf(bench, 0));
    }

    private static BlockResult Manage(ChannelBench bench, BlockZoneAction action, int zone) =>
        bench.Do(channel => ((IZonedBlockChannel)channel).ManageZone(0, action, (long)zone * Zone * Sector));

    private static (long Written, BlockZoneState State) StateOf(ChannelBench bench, int zone)
    {
        var zones = new BlockZone[1];
        bench.Backend.Zones!.Report((long)zone * Zone, zones);
        return (zones[0].WritePointerSector - zones[0].StartSector, zones[0].State);
    }

    private ChannelBench Open(ZonedDiskOptions? options = null)
    {
        using (FileStream file = new(_folder["disk"], FileMode.OpenOrCreate))
        {
            file.SetLength(Zone * Zones * Sector);
        }

        var loops = EventLoopGroup.Start(1);
        RawDisk? raw = null;
        try
        {
            raw = RawDisk.Open(_folder["disk"], loops);
            options = (options ?? new() { ZoneSectors = Zone }) with { StatePath = _folder["zones"] };
            ZonedDisk disk = new(raw, loops, options);
            return new(disk, loops[0], disk, raw, loops);
        }
        catch
        {
            raw?.Dispose();
            loops.Dispose();
            throw;
        }
    }
}
