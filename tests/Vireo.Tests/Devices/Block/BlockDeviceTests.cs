using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>Features, configuration space and cache mode.</summary>
public sealed class BlockDeviceTests
{
    private const int Sector = 512;
    private const int WritebackOffset = 32;

    [Fact]
    [Clause("block.dev.001", "block.dev.004")]
    public void OfferedFeatures_UsualDisk_HaveFlushAndNoZones()
    {
        using BlockDevice device = new(new FakeBlockBackend());

        Assert.True(device.OfferedFeatures.Contains(BlockFeatures.Flush));
        Assert.True(device.OfferedFeatures.Contains(BlockFeatures.ConfigWriteback));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.Zoned));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.MultiQueue));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.SizeMax));
    }

    [Fact]
    [Clause("block.dev.031")]
    public void OfferedFeatures_FollowDiskAndOptions()
    {
        FakeBlockBackend backend = new() { Traits = new() };
        using BlockDevice device = new(backend, new() { QueueCount = 4, SegmentBytesMax = 65536 });

        Assert.True(device.OfferedFeatures.Contains(BlockFeatures.MultiQueue));
        Assert.True(device.OfferedFeatures.Contains(BlockFeatures.SizeMax));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.Discard));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.WriteZeroes));
        Assert.False(device.OfferedFeatures.Contains(BlockFeatures.Lifetime));
        Assert.Equal(
            "requestq1, requestq2, requestq3, requestq4",
            string.Join(", ", device.Queues.Select(static q => q.Name))
        );
    }

    [Theory]
    [InlineData(nameof(BlockConfig.Capacity), 0)]
    [InlineData(nameof(BlockConfig.SizeMax), 8)]
    [InlineData(nameof(BlockConfig.SegMax), 12)]
    [InlineData(nameof(BlockConfig.Cylinders), 16)]
    [InlineData(nameof(BlockConfig.Heads), 18)]
    [InlineData(nameof(BlockConfig.Sectors), 19)]
    [InlineData(nameof(BlockConfig.BlkSize), 20)]
    [InlineData(nameof(BlockConfig.PhysicalBlockExp), 24)]
    [InlineData(nameof(BlockConfig.AlignmentOffset), 25)]
    [InlineData(nameof(BlockConfig.MinIoSize), 26)]
    [InlineData(nameof(BlockConfig.OptIoSize), 28)]
    [InlineData(nameof(BlockConfig.Writeback), BlockConfig.WritebackOffset)]
    [InlineData(nameof(BlockConfig.NumQueues), 34)]
    [InlineData(nameof(BlockConfig.MaxDiscardSectors), 36)]
    [InlineData(nameof(BlockConfig.DiscardSectorAlignment), 44)]
    [InlineData(nameof(BlockConfig.MaxWriteZeroesSectors), 48)]
    [InlineData(nameof(BlockConfig.WriteZeroesMayUnmap), 56)]
    [InlineData(nameof(BlockConfig.MaxSecureEraseSectors), 60)]
    [InlineData(nameof(BlockConfig.SecureEraseSectorAlignment), 68)]
    [InlineData(nameof(BlockConfig.Zoned), 72)]
    public void Config_Field_LiesWhereTheSpecificationPutsIt(string field, int offset)
    {
        Assert.Equal(offset, (int)Marshal.OffsetOf<BlockConfig>(field));
    }

    [Fact]
    public void Config_Size_IsThatOfTheSpecification()
    {
        Assert.Equal(96, Unsafe.SizeOf<BlockConfig>());
        Assert.Equal(24, Unsafe.SizeOf<BlockZonedConfig>());
        Assert.Equal(16, Unsafe.SizeOf<BlockRequestHeader>());
        Assert.Equal(16, Unsafe.SizeOf<BlockRangeHeader>());
    }

    [Fact]
    [Clause("block.dev.003", "block.dev.026")]
    public void ReadConfig_TellsTheDisk()
    {
        FakeBlockBackend backend = new(sectors: 4096)
        {
            Traits = new()
            {
                LogicalBlockBytes = 512,
                PhysicalBlockBytes = 4096,
                OptimalTransferBytes = 65536,
                Discard = new(1 << 30, 4096),
                WriteZeroes = new(long.MaxValue, 512),
                WriteZeroesMayUnmap = true,
            },
        };
        using BlockBench bench = new(
            backend,
            new()
            {
                QueueCount = 2,
                SegmentBytesMax = 8192,
                SegmentsMax = 62,
            }
        );

        byte[] bytes = bench.ReadConfig(0, 96);
        BlockConfig config = Wire.Read<BlockConfig>(bytes);

        Assert.Equal(4096ul, config.Capacity.Value);
        Assert.Equal((8192u, 62u), (config.SizeMax.Value, config.SegMax.Value));
        Assert.Equal((4, 16, 63), (config.Cylinders.Value, config.Heads, config.Sectors));
        Assert.Equal((512u, 3, 8), (config.BlkSize.Value, config.PhysicalBlockExp, config.MinIoSize.Value));
        Assert.Equal((128u, 1, 2), (config.OptIoSize.Value, config.Writeback, config.NumQueues.Value));
        Assert.Equal((2097152u, 32u), (config.MaxDiscardSectors.Value, config.MaxDiscardSeg.Value));
        Assert.Equal((8u, uint.MaxValue), (config.DiscardSectorAlignment.Value, config.MaxWriteZeroesSectors.Value));
        Assert.Equal((32u, 1), (config.MaxWriteZeroesSeg.Value, config.WriteZeroesMayUnmap));
        Assert.Equal([0, 0, 0, 0], [bytes[33], bytes[57], bytes[58], bytes[59]]);
        Assert.All(bytes[60..], static b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData(0, 200)]
    [InlineData(95, 4)]
    [InlineData(96, 8)]
    [InlineData(int.MaxValue, 1)]
    public void ReadConfig_PastTheEnd_ReadsZero(int offset, int length)
    {
        using BlockBench bench = new(new FakeBlockBackend());

        byte[] bytes = bench.ReadConfig(offset, length);

        Assert.All(bytes.Skip(Math.Max(0, 96 - offset)), static b => Assert.Equal(0, b));
    }

    [Fact]
    [Clause("block.drv.022")]
    [Clause("block.dev.028")]
    public void Out_WritebackOff_IsStable()
    {
        FakeBlockBackend backend = new();
        using BlockBench bench = new(backend);

        Assert.Equal([1], bench.ReadConfig(WritebackOffset, 1));
        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);
        bench.Device.WriteConfig(WritebackOffset, [0]);
        Assert.Equal([0], bench.ReadConfig(WritebackOffset, 1));
        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);
        bench.Device.WriteConfig(WritebackOffset - 1, [0, 1]);
        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);

        Assert.Equal([false, true, false], backend.Calls.Select(static call => call.Flag));
    }

    [Fact]
    [Clause("block.dev.028")]
    public void Ranges_WritebackOff_AreFlushed()
    {
        FakeBlockBackend backend = new();
        using BlockBench bench = new(backend);
        bench.Device.WriteConfig(WritebackOffset, [0]);

        bench.SendRanges(BlockRequestType.WriteZeroes, new BlockRangeHeader(0, 1, 0), new BlockRangeHeader(4, 1, 0));

        Assert.Equal(
            "WriteZeroes, WriteZeroes, Flush",
            string.Join(", ", backend.Calls.Select(static call => call.Kind))
        );
    }

    [Fact]
    [Clause("block.dev.028", "block.dev.029")]
    public void Out_DriverCannotFlush_IsStable()
    {
        FakeBlockBackend backend = new();
        using BlockBench bench = new(
            backend,
            choose: static offered => offered.Without(BlockFeatures.Flush).Without(BlockFeatures.ConfigWriteback)
        );

        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);

        Assert.True(Assert.Single(backend.Calls).Flag);
    }

    [Fact]
    public void Out_DriverFlushesAndHasNoSwitch_IsNotStable()
    {
        FakeBlockBackend backend = new();
        using BlockBench bench = new(backend, choose: static offered => offered.Without(BlockFeatures.ConfigWriteback));

        bench.Device.WriteConfig(WritebackOffset, [0]);
        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);

        Assert.False(Assert.Single(backend.Calls).Flag);
    }

    [Fact]
    [Clause("block.dev.002")]
    public void Writeback_SwitchWithoutFlush_BeginsAtZero()
    {
        FakeBlockBackend backend = new();
        using BlockBench bench = new(backend, choose: static offered => offered.Without(BlockFeatures.Flush));

        Assert.Equal([0], bench.ReadConfig(WritebackOffset, 1));
        bench.Send(BlockRequestType.Out, 0, new byte[Sector]);

        Assert.True(Assert.Single(backend.Calls).Flag);
    }

    [Fact]
    public void Writeback_AfterReset_IsTheDisksOwn()
    {
        FakeBlockBackend backend = new() { Traits = new() { IsWriteThrough = true } };
        using BlockBench bench = new(backend);

        Assert.Equal([0], bench.ReadConfig(WritebackOffset, 1));
        bench.Device.WriteConfig(WritebackOffset, [1]);
        Assert.Equal([1], bench.ReadConfig(WritebackOffset, 1));
        bench.Negotiate(static offered => offered);
        Assert.Equal([0], bench.ReadConfig(WritebackOffset, 1));
    }

    [Fact]
    public void Writeback_SameFeaturesAcceptedAgain_StaysAsTheDriverSetIt()
    {
        using BlockBench bench = new(new FakeBlockBackend());
        bench.Device.WriteConfig(WritebackOffset, [0]);

        bench.Device.Accept(bench.Home.Lifecycle.Negotiated);

        Assert.Equal([0], bench.ReadConfig(WritebackOffset, 1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void WriteConfig_OtherBytes_ChangesNothing(int offset)
    {
        using BlockBench bench = new(new FakeBlockBackend());
        byte[] before = bench.ReadConfig(0, 96);

        bench.Device.WriteConfig(offset, [0]);
        bench.Device.WriteConfig(offset, []);

        Assert.Equal(before, bench.ReadConfig(0, 96));
    }

    [Fact]
    [Clause("block.dev.018")]
    public void Capacity_DiskGrew_NewSectorsAreReached()
    {
        FakeBlockBackend backend = new(sectors: 16) { Capacity = 8 };
        using BlockBench bench = new(backend);
        Assert.Equal(1, bench.Ask(BlockRequestType.In, 8, Sector).Status);

        backend.Capacity = 16;

        Assert.Equal(16ul, BinaryPrimitives.ReadUInt64LittleEndian(bench.ReadConfig(0, 8)));
        Assert.Equal(0, bench.Ask(BlockRequestType.In, 8, Sector).Status);
    }

    [Fact]
    [Clause("block.dev.019")]
    public void Capacity_Changed_TheDriverIsTold()
    {
        FakeBlockBackend backend = new(sectors: 16);
        using BlockBench bench = new(backend);

        backend.Capacity = 8;
        backend.CapacityChanged!();

        Assert.Equal(1, bench.Home.ConfigChangeCount);
        Assert.Equal(8ul, BinaryPrimitives.ReadUInt64LittleEndian(bench.ReadConfig(0, 8)));
    }

    [Fact]
    public void Dispose_NobodyListensToTheDiskAnyMore()
    {
        FakeBlockBackend backend = new();
        using (BlockBench bench = new(backend)) { }

        Assert.Null(backend.CapacityChanged);
    }

    [Fact]
    [Clause("block.dev.030")]
    public void Lifetime_DiskThatTells_IsOfferedAndAnswered()
    {
        FakeBlockBackend backend = new() { Lifetime = new(3, 11, 4) };
        using BlockBench bench = new(backend);

        BlockAnswer answer = bench.Ask(BlockRequestType.GetLifetime, 0, 6);

        Assert.True(bench.Home.Lifecycle.Offered.Contains(BlockFeatures.Lifetime));
        Assert.Equal((0, 7u), (answer.Status, answer.Used));
        Assert.Equal([3, 0, 11, 0, 4, 0], answer.Data);
        Assert.Equal(1, bench.Ask(BlockRequestType.GetLifetime, 0, 5).Status);
    }

    [Theory]
    [Clause("block.dev.032")]
    [InlineData(4, 12, 255)]
    [InlineData(-1, -1, int.MinValue)]
    public void Lifetime_ReservedValues_BecomeUnknown(int reserved, int wearA, int wearB)
    {
        using BlockBench bench = new(new FakeBlockBackend { Lifetime = new(reserved, wearA, wearB) });

        Assert.Equal(new byte[6], bench.Ask(BlockRequestType.GetLifetime, 0, 6).Data);
    }

    [Fact]
    public void Lifetime_NotNegotiated_IsUnsupported()
    {
        using BlockBench bench = new(
            new FakeBlockBackend { Lifetime = new(1, 1, 1) },
            choose: static offered => offered.Without(BlockFeatures.Lifetime)
        );

        Assert.Equal(2, bench.Ask(BlockRequestType.GetLifetime, 0, 6).Status);
    }

    [Fact]
    [Clause("block.dev.021")]
    public void SecureErase_DiskThatCan_ReachesItAndKnowsNoFlag()
    {
        FakeBlockBackend backend = new() { Traits = new() { SecureErase = new(1 << 20, 4096) } };
        using BlockBench bench = new(backend);
        BlockConfig config = Wire.Read<BlockConfig>(bench.ReadConfig(0, 96));

        Assert.Equal((2048u, 8u), (config.MaxSecureEraseSectors.Value, config.SecureEraseSectorAlignment.Value));
        Assert.Equal(0, bench.SendRanges(BlockRequestType.SecureErase, new BlockRangeHeader(8, 8, 0)).Status);
        Assert.Equal("SecureErase(4096, 4096)", Assert.Single(backend.Calls).ToString());
        Assert.Equal(2, bench.SendRanges(BlockRequestType.SecureErase, new BlockRangeHeader(8, 8, 1)).Status);
        Assert.Equal(1, bench.SendRanges(BlockRequestType.SecureErase, new BlockRangeHeader(0, 2049, 0)).Status);
    }

    [Theory]
    [InlineData("123456789012345678901")]
    [InlineData("tab\t")]
    [InlineData("ümlaut")]
    public void Constructor_SerialThatNoDriverCouldRead_IsRefused(string serial)
    {
        DeviceException exception = Assert.Throws<DeviceException>(() =>
            new BlockDevice(new FakeBlockBackend(), new() { Serial = serial })
        );

        Assert.Contains("20 printable ASCII", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1024, 126, 0)]
    [InlineData(1025, 1024, 126, 0)]
    [InlineData(1, 0, 126, 0)]
    [InlineData(1, 1000, 126, 0)]
    [InlineData(1, 1024, 0, 0)]
    [InlineData(1, 1024, 1023, 0)]
    [InlineData(1, 1024, 126, 511)]
    [InlineData(1, 1024, 126, -1)]
    public void Constructor_OptionOutOfRange_IsRefused(int queues, int size, int segments, int segmentBytes)
    {
        BlockOptions options = new()
        {
            QueueCount = queues,
            QueueSizeMax = (ushort)size,
            SegmentsMax = segments,
            SegmentBytesMax = segmentBytes,
        };

        Assert.Throws<DeviceException>(() => new BlockDevice(new FakeBlockBackend(), options));
    }

    [Theory]
    [InlineData(256, 512)]
    [InlineData(1000, 4096)]
    [InlineData(131072, 131072)]
    [InlineData(4096, 512)]
    public void Constructor_BlocksThatMakeNoSense_AreRefused(int logical, int physical)
    {
        FakeBlockBackend backend = new()
        {
            Traits = new() { LogicalBlockBytes = logical, PhysicalBlockBytes = physical },
        };

        Assert.Throws<DeviceException>(() => new BlockDevice(backend));
    }
}
