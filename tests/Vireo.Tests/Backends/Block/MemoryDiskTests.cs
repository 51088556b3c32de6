using Vireo.Backends.Block.Memory;

namespace Vireo.Tests.Backends.Block;

public sealed class MemoryDiskTests : BlockBackendTests
{
    private protected override ChannelBench Open(long sectors = 16384)
    {
        MemoryDisk disk = new(sectors);
        return new(disk, loop: null, disk);
    }

    [Fact]
    public void Constructor_LargerThanTheHostsMemory_TakesNoneOfIt()
    {
        using MemoryDisk disk = new(1L << 33);

        Assert.Equal(1L << 33, disk.CapacitySectors);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void Constructor_SizeOutOfRange_IsRefused(long sectors) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new MemoryDisk(sectors));
}
