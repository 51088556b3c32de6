using Vireo.Backends.Block.Filters;
using Vireo.Backends.Block.Memory;
using Vireo.Devices.Block;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Backends.Block;

/// <summary>Writes of zeroes become zeroes; everything else stays what it was.</summary>
public sealed class ZeroDetectingDiskTests : BlockBackendTests
{
    private readonly FakeBlockBackend _backend = new();

    [Theory]
    [InlineData(false, "WriteZeroes(512, 8192)")]
    [InlineData(true, "WriteZeroes(512, 8192, true)")]
    public void Write_OnlyZeroes_MakesThemInTheDisksWay(bool mayUnmap, string call)
    {
        using ChannelBench bench = Open(mayUnmap);

        Assert.Equal(BlockResult.Done, bench.Write(512, new byte[8192]));

        Assert.Equal(call, Assert.Single(_backend.Calls).ToString());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    [InlineData(8191)]
    public void Write_OneOtherByteAnywhere_IsWritten(int position)
    {
        using ChannelBench bench = Open(mayUnmap: true);
        byte[] bytes = new byte[8192];
        bytes[position] = 1;

        bench.Write(0, bytes);

        Assert.Equal("Write(0, 8192)", Assert.Single(_backend.Calls).ToString());
        Assert.Equal(bytes, _backend.Disk[..8192]);
    }

    [Fact]
    public void Write_LongerThanTheDisksZeroes_IsWritten()
    {
        _backend.Traits = _backend.Traits with { WriteZeroes = new(4096, 512) };
        using ChannelBench bench = Open(mayUnmap: false);

        bench.Write(0, new byte[8192]);

        Assert.Equal("Write", Assert.Single(_backend.Calls).Kind);
    }

    [Fact]
    public void OpenChannel_DiskWithoutZeroes_IsThatDisks()
    {
        _backend.Traits = _backend.Traits with { WriteZeroes = null };
        using ChannelBench bench = Open(mayUnmap: false);

        bench.Write(0, new byte[512]);

        Assert.Equal("Write", Assert.Single(_backend.Calls).Kind);
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        MemoryDisk memory = new(sectors);
        return new(new ZeroDetectingDisk(memory, mayUnmap: true), null, memory);
    }

    private ChannelBench Open(bool mayUnmap) => new(new ZeroDetectingDisk(_backend, mayUnmap));
}
