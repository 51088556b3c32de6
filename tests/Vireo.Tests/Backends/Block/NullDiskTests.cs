using Vireo.Backends.Block.Null;
using Vireo.Devices.Block;

namespace Vireo.Tests.Backends.Block;

/// <summary>The null disk keeps nothing, so of the law it obeys only what does not ask it to.</summary>
public sealed class NullDiskTests
{
    [Fact]
    public void ReadAndWrite_AreDoneAndReadZeroes()
    {
        using ChannelBench bench = new(new NullDisk(1024));

        Assert.Equal(BlockResult.Done, bench.Write(0, [.. Enumerable.Repeat((byte)7, 4096)]));
        Assert.Equal(new byte[4096], bench.Read(0, 4096));
        Assert.Equal(BlockResult.Done, bench.Flush());
        Assert.Equal(BlockResult.Done, bench.Discard(0, 512));
        Assert.Equal(BlockResult.Done, bench.WriteZeroes(0, 512, mayUnmap: false));
    }

    [Fact]
    public void Read_WithoutZeroes_LeavesTheBuffer()
    {
        using ChannelBench bench = new(new NullDisk(1024, zeroesReads: false));

        Assert.All(bench.Read(0, 512), static b => Assert.Equal(0xEE, b));
    }

    [Fact]
    public void Requests_AllocateNothing()
    {
        using ChannelBench bench = new(new NullDisk(1024));

        Assert.Equal(0, bench.MeasureAllocations(rounds: 100_000, offsetBytes: 0, lengthBytes: 512));
    }
}
