using Vireo.Backends.Block.Filters;
using Vireo.Backends.Block.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Backends.Block;

/// <summary>What becomes of requests that the disk fails.</summary>
public sealed class ErrorPolicyDiskTests : BlockBackendTests
{
    private readonly FakeBlockBackend _backend = new();
    private ErrorPolicyDisk? _disk;

    [Theory]
    [InlineData(ErrorAction.Report, BlockResult.IoError, BlockResult.IoError)]
    [InlineData(ErrorAction.Report, BlockResult.NoSpace, BlockResult.NoSpace)]
    [InlineData(ErrorAction.Ignore, BlockResult.IoError, BlockResult.Done)]
    [InlineData(ErrorAction.Ignore, BlockResult.Unsupported, BlockResult.Unsupported)]
    [InlineData(ErrorAction.StopIfFull, BlockResult.IoError, BlockResult.IoError)]
    public void Write_Fails_IsAnsweredAsThePolicySays(ErrorAction action, BlockResult failure, BlockResult answer)
    {
        using ChannelBench bench = Open(ErrorAction.Report, action);
        _backend.Fail(failure);

        Assert.Equal(answer, bench.Write(0, new byte[512]));
        Assert.False(_disk!.IsStopped);
    }

    [Fact]
    public void Read_Fails_HasItsOwnPolicy()
    {
        using ChannelBench bench = Open(ErrorAction.Ignore, ErrorAction.Report);
        _backend.Fail(BlockResult.IoError, BlockResult.IoError);

        Assert.Equal(BlockResult.Done, bench.TryRead(0, 512));
        Assert.Equal(BlockResult.IoError, bench.Write(0, new byte[512]));
    }

    [Theory]
    [InlineData(ErrorAction.Stop, BlockResult.IoError)]
    [InlineData(ErrorAction.StopIfFull, BlockResult.NoSpace)]
    public void Write_FailsAndStops_IsTriedAgainAfterResume(ErrorAction action, BlockResult failure)
    {
        using ChannelBench bench = Open(ErrorAction.Report, action);
        int stops = 0;
        _disk!.Stopped = _ => stops++;
        _backend.Fail(failure);
        bench.PostWrite(0, 0, Pattern(512, seed: 1));
        bench.PostWrite(1, 512, Pattern(512, seed: 2));
        bench.Settle();
        Assert.True(_disk.IsStopped);
        Assert.Equal(1, stops);
        Assert.Single(_backend.Calls);

        _disk.Resume();
        bench.WaitForAll();

        Assert.Equal((BlockResult.Done, BlockResult.Done), (bench.ResultOf(0), bench.ResultOf(1)));
        Assert.Equal(Pattern(512, seed: 1), _backend.Disk[..512]);
        Assert.Equal(Pattern(512, seed: 2), _backend.Disk[512..1024]);
    }

    [Fact]
    public void Resume_FailsAgain_StopsAgain()
    {
        using ChannelBench bench = Open(ErrorAction.Report, ErrorAction.Stop);
        _backend.Fail(BlockResult.NoSpace, BlockResult.NoSpace);
        bench.PostWrite(0, 0, new byte[512]);
        bench.Settle();
        _disk!.Resume();
        bench.Settle();
        Assert.True(_disk.IsStopped);

        _disk.Resume();
        bench.WaitForAll();

        Assert.Equal(BlockResult.Done, bench.ResultOf(0));
    }

    [Fact]
    public void BeginStop_WhileStopped_TellsTheTruth()
    {
        using ChannelBench bench = Open(ErrorAction.Report, ErrorAction.Stop);
        _backend.Fail(BlockResult.NoSpace);
        bench.PostWrite(0, 0, new byte[512]);
        bench.PostRead(1, 0, 512);
        bench.Settle();

        bench.Call(static channel => channel.BeginStop());
        bench.WaitForAll();

        Assert.Equal((BlockResult.IoError, BlockResult.IoError), (bench.ResultOf(0), bench.ResultOf(1)));
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        MemoryDisk memory = new(sectors);
        var loops = EventLoopGroup.Start(1);
        return new(new ErrorPolicyDisk(memory, loops, ErrorAction.Stop, ErrorAction.Stop), loops[0], loops, memory);
    }

    private ChannelBench Open(ErrorAction onRead, ErrorAction onWrite)
    {
        var loops = EventLoopGroup.Start(1);
        _disk = new(_backend, loops, onRead, onWrite);
        return new(_disk, loops[0], loops);
    }
}
