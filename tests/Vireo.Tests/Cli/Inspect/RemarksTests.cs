using Vireo.Cli.Inspect;
using Vireo.Core.Spec;

namespace Vireo.Tests.Cli.Inspect;

public sealed class RemarksTests
{
    private const int Mq = 0;
    private const int Config = 9;

    /// <summary>A disk with nothing unusual: four queues, everything for recovery and migration.</summary>
    private static readonly BackEndReport Disk = new()
    {
        Path = "/tmp/disk.sock",
        Device = DeviceDescription.Find("block"),
        Features = FeatureSet.Of(6, 9, 12, 28, 29, 32),
        HasProtocolFeatures = true,
        ProtocolFeatures = FeatureSet.Of(0, 1, 3, 5, 9, 12),
        QueueCount = 4,
        Config = ConfigOf(queueCount: 4),
    };

    [Fact]
    public void About_UsualDisk_IsNothing() => Assert.Empty(Remarks.About(Disk));

    [Theory]
    [InlineData(3, "REPLY_ACK")]
    [InlineData(12, "INFLIGHT_SHMFD")]
    [InlineData(1, "LOG_SHMFD")]
    [InlineData(Config, "CONFIG")]
    [InlineData(Mq, "MQ")]
    public void About_ProtocolFeatureMissing_NamesIt(int bit, string name) =>
        Assert.Contains(
            name,
            Assert.Single(Remarks.About(Disk with { ProtocolFeatures = Disk.ProtocolFeatures.Without(bit) })),
            StringComparison.Ordinal
        );

    [Fact]
    public void About_Legacy_SaysWhoCannotUseIt() =>
        Assert.Contains(
            "VERSION_1",
            Assert.Single(Remarks.About(Disk with { Features = Disk.Features.Without(32) })),
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData(3)]
    [InlineData(25)]
    [InlineData(44)]
    [InlineData(63)]
    public void About_FeatureNobodyHasDefined_NamesItsNumber(int bit) =>
        Assert.Contains(
            $"bit {bit} ",
            Assert.Single(Remarks.About(Disk with { Features = Disk.Features.With(bit) })),
            StringComparison.Ordinal
        );

    [Fact]
    public void About_UnknownType_SaysNothingAboutItsFeatures() =>
        Assert.Empty(Remarks.About(Disk with { Device = null, Features = Disk.Features.With(3) }));

    [Fact]
    public void About_ProtocolFeatureNobodyHasDefined_NamesItsNumber() =>
        Assert.Contains(
            "bit 24 ",
            Assert.Single(Remarks.About(Disk with { ProtocolFeatures = Disk.ProtocolFeatures.With(24) })),
            StringComparison.Ordinal
        );

    [Fact]
    public void About_QueueCountsThatDiffer_SaysBoth() =>
        Assert.Equal(
            "the configuration space says 2 queues, the protocol 4",
            Assert.Single(Remarks.About(Disk with { Config = ConfigOf(queueCount: 2) }))
        );

    private static byte[] ConfigOf(byte queueCount)
    {
        const int QueueCountOffset = 34;
        byte[] config = new byte[60];
        config[QueueCountOffset] = queueCount;
        return config;
    }
}
