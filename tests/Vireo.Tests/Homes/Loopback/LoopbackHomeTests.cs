using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Entropy;
using Vireo.Homes.Loopback;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Homes.Loopback;

public sealed class LoopbackHomeTests
{
    [Fact]
    public void Open_EntropyDevice_IsLive()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));

        DeviceStatus expected =
            DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk;
        Assert.Equal(expected, home.Lifecycle.Status);
        Assert.True(home.Lifecycle.IsRunning(0));
    }

    [Fact]
    public void Exchange_EntropyDevice_FillsTheBuffer()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        GuestRange buffer = home.Allocate(300);

        uint written = home.Exchange(0, [], [buffer]);

        Assert.Equal(300u, written);
        Assert.Equal(ExpectedBytes(300), home.Bytes(buffer).ToArray());
    }

    [Fact]
    public void Exchange_SeveralPieces_FillsThemInOrderAndNothingElse()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        GuestRange all = home.Allocate(256);
        home.Bytes(all).Fill(0xee);
        GuestRange first = new(all.Address + 10, 20);
        GuestRange second = new(all.Address + 100, 30);

        uint written = home.Exchange(0, [], [second, first]);

        byte[] expected = new byte[256];
        expected.AsSpan().Fill(0xee);
        ExpectedBytes(50).AsSpan(0, 30).CopyTo(expected.AsSpan(100));
        ExpectedBytes(50).AsSpan(30, 20).CopyTo(expected.AsSpan(10));
        Assert.Equal(50u, written);
        Assert.Equal(expected, home.Bytes(all).ToArray());
    }

    [Fact]
    public void Kick_BufferOutsideMemory_FailsThatRequestAlone()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        Assert.True(home.Queue(0).TryAdd([], [home.Allocate(16), new(new(0x1000), 16)], tag: 1));
        Assert.True(home.Queue(0).Publish());

        home.Kick(0);

        Assert.Equal(QueueFault.None, home.FaultOf(0));
        Assert.True(home.Queue(0).TryTake(out DriverCompletion completion));
        Assert.Equal(new(1, 0), completion);
        Assert.Equal(16u, home.Exchange(0, [], [home.Allocate(16)]));
    }

    [Fact]
    public void Kick_AvailableIndexJumps_NeedsResetAndRestartMends()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        Assert.True(home.Memory.TryWrite(home.Areas(0).Driver + SplitRing.IndexOffset, [0xff, 0x7f]));

        home.Kick(0);

        Assert.Equal(QueueFault.IndexJump, home.FaultOf(0));
        Assert.True(home.Lifecycle.Status.HasFlag(DeviceStatus.NeedsReset));
        Assert.False(home.Queue(0).TryTake(out _));

        home.Restart();

        Assert.False(home.Lifecycle.Status.HasFlag(DeviceStatus.NeedsReset));
        Assert.Equal(16u, home.Exchange(0, [], [home.Allocate(16)]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Clause("split-queue.dev.003", "packed-queue.dev.004")]
    public void Exchange_ReadableAndWritable_LeavesTheReadablePartAsItIs(bool isPacked)
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()), Layout(isPacked));
        GuestRange readable = home.Allocate(64);
        home.Bytes(readable).Fill(0x77);

        Assert.Equal(32u, home.Exchange(0, [readable], [home.Allocate(32)]));

        Assert.Equal(-1, home.Bytes(readable).IndexOfAnyExcept((byte)0x77));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Clause("core.dev.011", "core.dev.012", "core.dev.013", "core.drv.015", "core.drv.016", "core.drv.017")]
    public void ResetQueue_WithBuffersAvailable_ForgetsThemAndTakesTheNewSize(bool isPacked)
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()), Layout(isPacked));
        GuestRange untouched = home.Allocate(16);
        home.Exchange(0, [], [home.Allocate(16)]);
        home.StopQueue(0);
        Assert.True(home.Queue(0).TryAdd([], [untouched], tag: 1));
        home.Queue(0).Publish();
        int calls = home.CallCount(0);

        home.ResetQueue(0, 4);

        Assert.Equal(calls, home.CallCount(0));
        Assert.Equal(-1, home.Bytes(untouched).IndexOfAnyExcept((byte)0));
        Assert.Equal(4, home.Queue(0).Size);
        for (int round = 0; round < 10; round++)
        {
            Assert.Equal(16u, home.Exchange(0, [], [home.Allocate(16)]));
        }

        Assert.Equal((ushort)(isPacked ? 2 : 10), home.StopQueue(0)!.Value.AvailableIndex);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Open_WithEventLoops_ExchangesAcrossThreads(bool isPacked)
    {
        using var loops = EventLoopGroup.Start(1);
        using var home = LoopbackHome.Open(
            new EntropyDevice(new CountingEntropy()),
            Layout(isPacked) with
            {
                Loops = loops,
            }
        );
        GuestRange buffer = home.Allocate(8);
        for (int round = 0; round < 1000; round++)
        {
            Assert.Equal(8u, home.Exchange(0, [], [buffer]));
            Assert.Equal(unchecked((byte)(8 * round)), home.Bytes(buffer)[0]);
        }

        Assert.True(home.CallCount(0) > 0);
        QueueState? state = home.StopQueue(0);
        home.ResumeQueue(0, state!.Value);
        Assert.Equal(8u, home.Exchange(0, [], [buffer]));
    }

    [Fact]
    public void Open_WithEventLoops_ReportsAFault()
    {
        using var loops = EventLoopGroup.Start(1);
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()), new() { Loops = loops });
        // The available index jumps further than the ring is long.
        Wire.Write(home.Bytes(new(home.Areas(0).Driver + 2, 2)), (ushort)0x7000);

        home.Kick(0);

        Assert.True(SpinWait.SpinUntil(() => home.FaultOf(0) == QueueFault.IndexJump, TimeSpan.FromSeconds(30)));
        home.Restart();
        Assert.Equal(16u, home.Exchange(0, [], [home.Allocate(16)]));
    }

    [Fact]
    public void StopQueue_ThenResume_GoesOnWhereItStopped()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        GuestRange buffer = home.Allocate(8);
        home.Exchange(0, [], [buffer]);

        QueueState? state = home.StopQueue(0);
        Assert.True(home.Queue(0).TryAdd([], [buffer], tag: 7));
        home.Queue(0).Publish();
        home.Kick(0);
        bool isTakenWhileStopped = home.Queue(0).TryTake(out _);
        home.ResumeQueue(0, state!.Value);

        Assert.Equal(1, state.Value.AvailableIndex);
        Assert.False(isTakenWhileStopped);
        Assert.True(home.Queue(0).TryTake(out DriverCompletion completion));
        Assert.Equal(7ul, completion.Tag);
    }

    private static LoopbackOptions Layout(bool isPacked) =>
        new()
        {
            RingFeatures = FeatureSet
                .Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex, CoreFeature.RingReset)
                .WithIf(CoreFeature.RingPacked, isPacked),
        };

    private static byte[] ExpectedBytes(int count)
    {
        byte[] bytes = new byte[count];
        new CountingEntropy().Fill(bytes);
        return bytes;
    }
}
