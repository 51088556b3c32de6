using Vireo.Backends.Block.Filters;
using Vireo.Backends.Block.Memory;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Backends.Block;

/// <summary>Limits keep the law of disks, and themselves.</summary>
public sealed class ThrottledDiskTests : BlockBackendTests
{
    private readonly FakeClock _clock = new();

    [Fact]
    public void Requests_MoreThanTheBurst_WaitForTheirTime()
    {
        FakeBlockBackend backend = new();
        using ChannelBench bench = Open(backend, new() { RequestsPerSecond = 100, RequestsBurst = 10 });
        for (uint tag = 0; tag < 15; tag++)
        {
            bench.PostRead(tag, tag * 512, 512);
        }

        Assert.Equal(10, backend.Calls.Count);
        _clock.Advance(TimeSpan.FromMilliseconds(15));
        bench.Settle();
        Assert.Equal(12, backend.Calls.Count);
        _clock.Advance(TimeSpan.FromSeconds(1));
        bench.WaitForAll();
        Assert.Equal(15, backend.Calls.Count);
        Assert.Equal(Enumerable.Range(0, 15), backend.Calls.Select(static call => (int)call.Tag));
    }

    [Fact]
    public void Requests_MoreBytesThanTheBurst_WaitForTheirTime()
    {
        FakeBlockBackend backend = new();
        using ChannelBench bench = Open(backend, new() { BytesPerSecond = 1 << 20, BytesBurst = 4096 });
        bench.PostWrite(0, 0, new byte[512 * 1024]);
        bench.PostWrite(1, 0, new byte[512]);
        bench.Post(2, static channel => channel.Flush(2));

        Assert.Single(backend.Calls);
        _clock.Advance(TimeSpan.FromMilliseconds(400));
        bench.Settle();
        Assert.Single(backend.Calls);
        _clock.Advance(TimeSpan.FromMilliseconds(110));
        bench.WaitForAll();
        Assert.Equal(3, backend.Calls.Count);
    }

    [Fact]
    public void BeginStop_RequestsWaiting_GoThrough()
    {
        FakeBlockBackend backend = new();
        using ChannelBench bench = Open(backend, new() { RequestsPerSecond = 1, RequestsBurst = 1 });
        for (uint tag = 0; tag < 5; tag++)
        {
            bench.PostRead(tag, 0, 512);
        }

        Assert.Single(backend.Calls);
        bench.Call(static channel => channel.BeginStop());
        bench.WaitForAll();
        Assert.Equal(5, backend.Calls.Count);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    public void Constructor_NegativeLimit_IsRefused(long rate, long burst)
    {
        using var loops = EventLoopGroup.Start(1);
        ThrottleLimits limits = new() { BytesPerSecond = rate, BytesBurst = burst };

        Assert.Throws<ArgumentOutOfRangeException>(() => new ThrottledDisk(new FakeBlockBackend(), limits, loops));
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        MemoryDisk memory = new(sectors);
        var loops = EventLoopGroup.Start(1);
        ThrottleLimits limits = new() { RequestsPerSecond = 10_000_000, BytesPerSecond = 1L << 40 };
        return new(new ThrottledDisk(memory, limits, loops), loops[0], loops, memory);
    }

    private ChannelBench Open(FakeBlockBackend backend, ThrottleLimits limits)
    {
        var loops = EventLoopGroup.Start(1);
        return new(new ThrottledDisk(backend, limits, loops, _clock), loops[0], loops);
    }
}
