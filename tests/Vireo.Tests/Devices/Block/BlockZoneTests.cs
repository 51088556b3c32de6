using System.Buffers.Binary;
using Vireo.Backends.Block.Memory;
using Vireo.Backends.Block.Zoned;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>Zoned requests, from the ring to the zones.</summary>
public sealed class BlockZoneTests : IDisposable
{
    private const byte Ok = 0;
    private const byte IoError = 1;
    private const byte Unsupported = 2;
    private const byte Invalid = 3;
    private const byte Unaligned = 4;
    private const byte OpenLimit = 5;
    private const byte ActiveLimit = 6;
    private const int Sector = 512;

    /// <summary>Sectors per zone; the first zone is conventional, the last one shorter, and two may be open, three active.</summary>
    private const int Zone = 128;
    private const int Zones = 10;
    private const int Capacity = Zone * Zones - 64;

    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly MemoryDisk _memory = new(Capacity);
    private readonly ZonedDisk _disk;
    private readonly BlockBench _bench;

    public BlockZoneTests()
    {
        _disk = new(_memory, _loops, Options);
        _bench = new(_disk);
    }

    private static ZonedDiskOptions Options =>
        new()
        {
            ZoneSectors = Zone,
            ConventionalZones = 1,
            OpenZonesMax = 2,
            ActiveZonesMax = 3,
            AppendSectorsMax = 16,
        };

    public void Dispose()
    {
        _bench.Dispose();
        _disk.Dispose();
        _memory.Dispose();
        _loops.Dispose();
    }

    [Fact]
    [Clause("block.dev.008", "block.dev.009", "block.dev.011", "block.dev.012", "block.dev.013", "block.dev.016")]
    [Clause("block.dev.017")]
    public void Config_HostManaged_TellsOfTheZones()
    {
        BlockZonedConfig config = Wire.Read<BlockConfig>(_bench.ReadConfig(0, 96)).Zoned;

        Assert.Equal(
            (Zone, 2u, 3u),
            ((int)config.ZoneSectors.Value, config.MaxOpenZones.Value, config.MaxActiveZones.Value)
        );
        Assert.Equal((16u, 512u, 1), (config.MaxAppendSectors.Value, config.WriteGranularity.Value, config.Model));
        Assert.Equal((0, 0, 0), (config.Unused0, config.Unused1, config.Unused2));
        Assert.False(_bench.Home.Lifecycle.Offered.Contains(BlockFeatures.Discard));
    }

    [Fact]
    [Clause("block.dev.014")]
    public void Config_SmallSegments_LimitAppend()
    {
        using BlockBench bench = new(_disk, new() { SegmentBytesMax = 512, SegmentsMax = 4 });

        Assert.Equal(4u, Wire.Read<BlockConfig>(bench.ReadConfig(0, 96)).Zoned.MaxAppendSectors.Value);
        Assert.Equal(Invalid, Append(1, new byte[5 * Sector], bench).Status);
        Assert.Equal(Ok, Append(1, new byte[4 * Sector], bench).Status);
    }

    [Fact]
    [Clause("block.dev.007")]
    public void Accept_HostManagedWithoutZoned_IsRefused()
    {
        Assert.Throws<DeviceException>(() =>
            new BlockBench(_disk, choose: static offered => offered.Without(BlockFeatures.Zoned)).Dispose()
        );
    }

    [Fact]
    [Clause("block.dev.010")]
    public void Report_FromTheFirst_TellsOfAll()
    {
        BlockAnswer answer = Ask(BlockRequestType.ZoneReport, 5, 64 + Zones * 64);

        Assert.Equal((Ok, 64u + Zones * 64 + 1), (answer.Status, answer.Used));
        Assert.Equal(Zones, BinaryPrimitives.ReadInt64LittleEndian(answer.Data));
        AssertZone(answer, 0, Zone, 0, 0, type: 1, state: 0);
        AssertZone(answer, 1, Zone, Zone, Zone, type: 2, state: 1);
        AssertZone(answer, Zones - 1, Zone - 64, (Zones - 1) * Zone, (Zones - 1) * Zone, type: 2, state: 1);
    }

    [Theory]
    [InlineData(64, 0, 64)]
    [InlineData(127, 0, 64)]
    [InlineData(128, 1, 128)]
    [InlineData(64 + 40 * 64, 7, 64 + 7 * 64)]
    public void Report_AnyRoom_TellsOfWholeZones(int bytes, int zones, int used)
    {
        BlockAnswer answer = Ask(BlockRequestType.ZoneReport, 3 * Zone, bytes);

        Assert.Equal(Ok, answer.Status);
        Assert.Equal(zones, BinaryPrimitives.ReadInt64LittleEndian(answer.Data));
        Assert.Equal((uint)(used == bytes ? used + 1 : used), answer.Used);
    }

    [Fact]
    public void Report_NoRoomOrNoSuchZone_Fails()
    {
        Assert.Equal(IoError, Ask(BlockRequestType.ZoneReport, 0, 63).Status);
        Assert.Equal(Invalid, Ask(BlockRequestType.ZoneReport, Capacity, 128).Status);
        Assert.Equal(Invalid, Ask(BlockRequestType.ZoneReport, ulong.MaxValue, 128).Status);
    }

    [Fact]
    [Clause("block.dev.048")]
    public void Out_OnlyAtTheWritePointer_IsDone()
    {
        Assert.Equal(Ok, Write(Zone, 2));
        Assert.Equal(Unaligned, Write(Zone, 1));
        Assert.Equal(Unaligned, Write(Zone + 3, 1));
        Assert.Equal(Ok, Write(Zone + 2, 1));
        AssertZone(1, written: 3, state: 2);
        Assert.Equal(Ok, Write(50, 1));
        Assert.Equal(Ok, Write(10, 1));
    }

    [Fact]
    [Clause("block.dev.043", "block.dev.047")]
    public void OutAndIn_BeyondTheZone_AreInvalid()
    {
        Assert.Equal(Ok, Write(Zone, Zone - 1));
        Assert.Equal(Invalid, Write(Zone * 2 - 1, 2));
        Assert.Equal(Invalid, Write(Zone - 1, 2));
        Assert.Equal(Invalid, _bench.Ask(BlockRequestType.In, Zone * 2 - 1, 2 * Sector).Status);
        Assert.Equal(Invalid, _bench.Ask(BlockRequestType.In, Zone - 1, 2 * Sector).Status);
        Assert.Equal(Ok, Write(Zone * 2 - 1, 1));
        AssertZone(1, written: Zone, state: 14);
        Assert.Equal(Invalid, Write(Zone * 2 - 1, 1));
    }

    [Fact]
    [Clause("block.dev.052", "block.dev.053")]
    public void In_BehindTheWritePointer_ReadsZeroes()
    {
        byte[] data = [.. Enumerable.Repeat((byte)7, 2 * Sector)];
        Assert.Equal(Ok, _bench.Send(BlockRequestType.Out, Zone, data).Status);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneReset, Zone));
        Assert.Equal(Ok, _bench.Send(BlockRequestType.Out, Zone, data[..Sector]).Status);

        Assert.Equal(
            [.. data[..Sector], .. new byte[3 * Sector]],
            _bench.Ask(BlockRequestType.In, Zone, 4 * Sector).Data
        );
        Assert.Equal(new byte[Sector], _bench.Ask(BlockRequestType.In, Zone + 1, Sector).Data);
    }

    [Fact]
    [Clause("block.dev.044")]
    public void Append_AnswersWhereItWent()
    {
        byte[] data = [.. Enumerable.Range(0, 3 * Sector).Select(static i => (byte)(i % 251))];

        BlockAnswer first = Append(2, data);
        BlockAnswer second = Append(2, data[..Sector]);

        Assert.Equal((Ok, 9u), (first.Status, first.Used));
        Assert.Equal(2 * Zone, BinaryPrimitives.ReadInt64LittleEndian(first.Data));
        Assert.Equal(2 * Zone + 3, BinaryPrimitives.ReadInt64LittleEndian(second.Data));
        Assert.Equal([.. data, .. data[..Sector]], _bench.Ask(BlockRequestType.In, 2 * Zone, 4 * Sector).Data);
    }

    [Fact]
    public void Append_AnswerCutIntoBytes_IsTheSame()
    {
        Append(2, new byte[Sector]);

        BlockAnswer answer = _bench.SendChain(
            [BlockBench.Header(BlockRequestType.ZoneAppend, 2 * Zone), new byte[Sector]],
            [1, 3, 1, 1, 1, 1, 1]
        );

        Assert.Equal((Ok, 2L * Zone + 1), (answer.Status, BinaryPrimitives.ReadInt64LittleEndian(answer.Data)));
    }

    [Fact]
    [Clause("block.dev.035", "block.dev.042", "block.dev.046")]
    public void Append_WhereItMayNot_IsInvalid()
    {
        Assert.Equal(Invalid, Append(0, new byte[Sector]).Status);
        Assert.Equal(Invalid, AppendAt(Zone + 1, new byte[Sector]).Status);
        Assert.Equal(Invalid, Append(1, new byte[17 * Sector]).Status);
        Assert.Equal(Invalid, AppendAt(Capacity, new byte[Sector]).Status);
        Assert.Equal(IoError, Append(1, new byte[Sector - 1]).Status);
        Assert.Equal(
            IoError,
            _bench.SendChain([BlockBench.Header(BlockRequestType.ZoneAppend, Zone), new byte[Sector]], [8]).Status
        );
        AssertZone(1, written: 0, state: 1);
    }

    [Fact]
    [Clause("block.dev.043")]
    public void Append_MoreThanIsLeft_IsInvalid()
    {
        Assert.Equal(Ok, Write(Zone, Zone - 4));

        Assert.Equal(Invalid, Append(1, new byte[5 * Sector]).Status);
        Assert.Equal(Ok, Append(1, new byte[4 * Sector]).Status);
        Assert.Equal(Invalid, Append(1, new byte[Sector]).Status);
    }

    [Fact]
    [Clause("block.dev.015", "block.dev.045")]
    public void Append_NotOffered_IsUnsupported()
    {
        using ZonedDisk disk = new(_memory, _loops, Options with { AppendSectorsMax = 0 });
        using BlockBench bench = new(disk);

        Assert.Equal(Unsupported, Append(1, new byte[Sector], bench).Status);
    }

    [Theory]
    [Clause("block.dev.034")]
    [InlineData(BlockRequestType.ZoneOpen)]
    [InlineData(BlockRequestType.ZoneClose)]
    [InlineData(BlockRequestType.ZoneFinish)]
    [InlineData(BlockRequestType.ZoneReset)]
    internal void Manage_ConventionalOrNotTheFirstSectorOrBeyond_IsInvalid(BlockRequestType type)
    {
        Assert.Equal(Invalid, Manage(type, 0));
        Assert.Equal(Invalid, Manage(type, Zone + 1));
        Assert.Equal(Invalid, Manage(type, Capacity));
        Assert.Equal(Invalid, Manage(type, ulong.MaxValue));
    }

    [Fact]
    [Clause("block.dev.036", "block.dev.038", "block.dev.039", "block.dev.040")]
    public void Manage_TransitionsOfOneZone_AreThoseOfTheSpecification()
    {
        Assert.Equal(Invalid, Manage(BlockRequestType.ZoneClose, Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneReset, Zone));
        AssertZone(1, written: 0, state: 1);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, Zone));
        AssertZone(1, written: 0, state: 3);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneClose, Zone));
        AssertZone(1, written: 0, state: 1);
        Assert.Equal(Ok, Write(Zone, 1));
        AssertZone(1, written: 1, state: 2);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneClose, Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneClose, Zone));
        AssertZone(1, written: 1, state: 4);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, Zone));
        AssertZone(1, written: 1, state: 3);
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneFinish, Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneFinish, Zone));
        AssertZone(1, written: Zone, state: 14);
        Assert.Equal(Invalid, Manage(BlockRequestType.ZoneOpen, Zone));
        Assert.Equal(Invalid, Manage(BlockRequestType.ZoneClose, Zone));
        Assert.Equal(Invalid, Write(Zone + 1, 1));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneReset, Zone));
        AssertZone(1, written: 0, state: 1);
    }

    [Fact]
    [Clause("block.dev.037", "block.dev.041", "block.dev.049")]
    public void Resources_UsedUp_AreRefusedUnlessAnImplicitlyOpenZoneCanBeClosed()
    {
        Assert.Equal(Ok, Write(Zone, 1));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, 2 * Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, 3 * Zone));
        AssertZone(1, written: 1, state: 4);

        Assert.Equal(ActiveLimit, Write(4 * Zone, 1));
        Assert.Equal(ActiveLimit, Append(4, new byte[Sector]).Status);
        Assert.Equal(ActiveLimit, Manage(BlockRequestType.ZoneOpen, 4 * Zone));
        Assert.Equal(OpenLimit, Write(Zone + 1, 1));
        Assert.Equal(OpenLimit, Manage(BlockRequestType.ZoneOpen, Zone));
        AssertZone(4, written: 0, state: 1);
        AssertZone(1, written: 1, state: 4);

        Assert.Equal(Ok, Manage(BlockRequestType.ZoneFinish, 3 * Zone));
        Assert.Equal(Ok, Write(4 * Zone, 1));
    }

    [Fact]
    public void ResetAll_EmptiesEverySequentialZone()
    {
        Assert.Equal(Ok, Write(5, 1));
        Assert.Equal(Ok, Write(Zone, 4));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneFinish, 2 * Zone));
        Assert.Equal(Ok, Manage(BlockRequestType.ZoneOpen, 3 * Zone));

        Assert.Equal(Ok, Manage(BlockRequestType.ZoneResetAll, 0));

        for (int zone = 1; zone < Zones; zone++)
        {
            AssertZone(zone, written: 0, state: 1);
        }

        Assert.Equal(Ok, Write(Zone, 1));
        Assert.Equal(Ok, Write(2 * Zone, 1));
    }

    [Fact]
    [Clause("block.dev.054", "block.dev.055", "block.dev.056")]
    public void SecureErase_WholeZones_ResetsThem()
    {
        Assert.Equal(Ok, Write(Zone, 4));
        BlockConfig config = Wire.Read<BlockConfig>(_bench.ReadConfig(0, 96));
        Assert.Equal(0u, config.SecureEraseSectorAlignment.Value % Zone);

        Assert.Equal(IoError, _bench.SendRanges(BlockRequestType.SecureErase, new BlockRangeHeader(Zone, 8, 0)).Status);
        Assert.Equal(Ok, _bench.SendRanges(BlockRequestType.SecureErase, new BlockRangeHeader(Zone, Zone, 0)).Status);

        AssertZone(1, written: 0, state: 1);
    }

    [Fact]
    public void Out_DiskFails_TakesThePointerBack()
    {
        FakeBlockBackend backend = new(Capacity) { Traits = new() };
        using ZonedDisk disk = new(backend, _loops, Options);
        using BlockBench bench = new(disk);
        backend.Fail(BlockResult.IoError);

        Assert.Equal(IoError, bench.Send(BlockRequestType.Out, Zone, new byte[2 * Sector]).Status);
        Assert.Equal(Ok, bench.Send(BlockRequestType.Out, Zone, new byte[2 * Sector]).Status);
    }

    [Fact]
    public void Out_SeveralOnTheirWay_GoBehindEachOther()
    {
        FakeBlockBackend backend = new(Capacity) { Traits = new(), IsDeferred = true };
        using ZonedDisk disk = new(backend, _loops, Options);
        using BlockBench bench = new(disk);
        BlockTicket[] tickets =
        [
            .. Enumerable
                .Range(0, 4)
                .Select(i =>
                    bench.Post([BlockBench.Header(BlockRequestType.Out, (ulong)(Zone + i)), new byte[Sector]], [1])
                ),
        ];
        bench.Pump();
        Assert.Equal(4, backend.Pending.Count);
        backend.CompleteAll();
        bench.Pump();

        Assert.All(tickets, static ticket => Assert.Equal(Ok, ticket.Answer?.Status));
    }

    [Fact]
    public void Out_OtherSectorsThanTheGranularity_AreUnaligned()
    {
        using MemoryDisk memory = new(Capacity);
        FakeBlockBackend backend = new(Capacity)
        {
            Traits = new() { LogicalBlockBytes = 4096, PhysicalBlockBytes = 4096 },
        };
        using ZonedDisk disk = new(backend, _loops, Options);
        using BlockBench bench = new(disk);

        Assert.Equal(4096u, Wire.Read<BlockConfig>(bench.ReadConfig(0, 96)).Zoned.WriteGranularity.Value);
        Assert.Equal(Unaligned, Append(1, new byte[Sector], bench).Status);
        Assert.Equal(Ok, Append(1, new byte[4096], bench).Status);
    }

    private static BlockAnswer AppendAt(BlockBench bench, ulong sector, byte[] data) =>
        bench.SendChain([BlockBench.Header(BlockRequestType.ZoneAppend, sector), data], [8, 1]);

    private BlockAnswer Append(int zone, byte[] data, BlockBench? bench = null) =>
        AppendAt(bench ?? _bench, (ulong)(zone * Zone), data);

    private BlockAnswer AppendAt(int sector, byte[] data) => AppendAt(_bench, (ulong)sector, data);

    private BlockAnswer Ask(BlockRequestType type, ulong sector, int bytes) => _bench.Ask(type, sector, bytes);

    private byte Write(int sector, int count) =>
        _bench.Send(BlockRequestType.Out, (ulong)sector, new byte[count * Sector]).Status;

    private byte Manage(BlockRequestType type, ulong sector) =>
        _bench.SendChain([BlockBench.Header(type, sector)], [1]).Status;

    private void AssertZone(int zone, int written, byte state)
    {
        BlockAnswer answer = Ask(BlockRequestType.ZoneReport, (ulong)(zone * Zone), 128);
        int capacity = zone == Zones - 1 ? Zone - 64 : Zone;
        AssertZone(answer, 0, capacity, zone * Zone, zone * Zone + written, type: 2, state);
    }

    private static void AssertZone(
        BlockAnswer answer,
        int at,
        long capacity,
        long start,
        long pointer,
        byte type,
        byte state
    )
    {
        ReadOnlySpan<byte> zone = answer.Data.AsSpan(64 + at * 64, 64);
        Assert.Equal(
            (capacity, start, pointer, type, state),
            (
                BinaryPrimitives.ReadInt64LittleEndian(zone),
                BinaryPrimitives.ReadInt64LittleEndian(zone[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(zone[16..]),
                zone[24],
                zone[25]
            )
        );
        Assert.Equal(new byte[38], zone[26..].ToArray());
    }
}
