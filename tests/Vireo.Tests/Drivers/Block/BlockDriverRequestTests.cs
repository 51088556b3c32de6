using Vireo.Backends.Block.Memory;
using Vireo.Backends.Block.Zoned;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Drivers.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Drivers.Block;

/// <summary>What the block driver asks a device for, byte for byte.</summary>
public sealed class BlockDriverRequestTests : IDisposable
{
    private const int CapacitySectors = 4096;

    private static readonly FeatureSet Everything = FeatureSet.Of(
        BlockFeatures.SizeMax,
        BlockFeatures.SegmentsMax,
        BlockFeatures.ReadOnly,
        BlockFeatures.BlockSize,
        BlockFeatures.Flush,
        BlockFeatures.ConfigWriteback,
        BlockFeatures.Discard,
        BlockFeatures.WriteZeroes,
        BlockFeatures.SecureErase,
        BlockFeatures.Lifetime,
        BlockFeatures.Zoned
    );

    private readonly LocalLoop _loop = new();

    public void Dispose() => _loop.Dispose();

    [Fact]
    [Clause("block.drv.004", "block.drv.013")]
    public void Open_DeviceThatOffersEverything_TakesWhatTheDriverKnows_AndReadsNothingBefore()
    {
        RecordingBlockDevice device = MakeDevice(Everything);

        using BlockDriver driver = Open(device);

        Assert.False(device.WasReadTooEarly);
        Assert.True(driver.Has(BlockFeatures.ReadOnly));
        Assert.True(driver.IsReadOnly);
    }

    [Fact]
    [Clause("block.drv.005", "block.drv.006", "block.drv.008")]
    public void Open_ZonedDevice_IsRefusedAndNotDrivenAsAnother()
    {
        using MemoryDisk memory = new(CapacitySectors);
        using var loops = EventLoopGroup.Start(1);
        using ZonedDisk zoned = new(memory, loops, new() { ZoneSectors = 128 });

        Assert.Throws<DeviceException>(() => Open(new BlockDevice(zoned)).Dispose());

        using BlockDriver driver = Open(MakeDevice(Everything));
        Assert.False(driver.Has(BlockFeatures.Zoned));
    }

    [Fact]
    [Clause("block.drv.001", "block.drv.003", "block.drv.014", "block.drv.015")]
    public void Flush_HasSectorZeroAndNoData()
    {
        RecordingBlockDevice device = MakeDevice(Everything.Without(BlockFeatures.ConfigWriteback));
        using BlockDriver driver = Open(device);
        Assert.True(driver.Has(BlockFeatures.Flush));
        driver.Write(4096, new byte[512]);

        driver.Flush();

        RecordedRequest request = device.Requests[^1];
        Assert.Equal((4u, 0ul, 16, 1), (request.Type, request.Sector, request.Readable.Length, request.WritableBytes));
    }

    [Theory]
    [Clause("block.drv.016")]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void ReadAndWrite_MoveWholeSectors(int length)
    {
        RecordingBlockDevice device = MakeDevice(Everything);
        using BlockDriver driver = Open(device);

        driver.Read(512, new byte[length]);
        driver.Write(512, new byte[length]);

        int read = 0;
        int written = 0;
        foreach (RecordedRequest request in device.Requests)
        {
            int data = request.Type == 0 ? request.WritableBytes - 1 : request.Data.Length;
            Assert.Equal(0, data % 512);
            Assert.Equal(1ul + (ulong)(request.Type == 0 ? read : written) / 512, request.Sector);
            (read, written) = request.Type == 0 ? (read + data, written) : (read, written + data);
        }

        Assert.Equal((length, length), (read, written));
    }

    [Fact]
    [Clause("block.drv.017", "block.drv.019", "block.drv.021", "block.drv.024")]
    public void Ranges_AreSingle_AndHaveNoFlagThatIsNotTheirs()
    {
        RecordingBlockDevice device = MakeDevice(Everything);
        using BlockDriver driver = Open(device);

        driver.Discard(4096, 8192);
        driver.WriteZeroes(512, 512, mayUnmap: false);
        driver.WriteZeroes(1024, 512, mayUnmap: true);

        Assert.Equal(
            [(11u, 0ul), (13u, 0ul), (13u, 0ul)],
            device.Requests.Select(static one => (one.Type, one.Sector))
        );
        Assert.Equal(
            [(8ul, 16u, 0u), (1ul, 1u, 0u), (2ul, 1u, 1u)],
            device.Requests.Select(static one =>
                (
                    BitConverter.ToUInt64(one.Data, 0),
                    BitConverter.ToUInt32(one.Data, 8),
                    BitConverter.ToUInt32(one.Data, 12)
                )
            )
        );
        Assert.All(device.Requests, static one => Assert.Equal((16, 1), (one.Data.Length, one.WritableBytes)));
    }

    [Fact]
    [Clause("block.drv.018")]
    public void GetId_HasRoomForTwentyBytes()
    {
        RecordingBlockDevice device = MakeDevice(Everything);
        using BlockDriver driver = Open(device);

        driver.ReadSerial();

        RecordedRequest request = Assert.Single(device.Requests);
        Assert.Equal((8u, 16, 21), (request.Type, request.Readable.Length, request.WritableBytes));
    }

    private static RecordingBlockDevice MakeDevice(FeatureSet features)
    {
        using BlockDevice model = new(new FakeBlockBackend(CapacitySectors), new() { SegmentBytesMax = 65536 });
        byte[] config = new byte[model.ConfigLengthBytes];
        model.ReadConfig(0, config);
        return new(features, config);
    }

    private BlockDriver Open(VirtioDevice device) => BlockDriver.Open(device, new() { Loop = _loop.Queues });
}
