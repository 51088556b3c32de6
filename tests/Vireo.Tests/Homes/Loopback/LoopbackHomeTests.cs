using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Entropy;
using Vireo.Homes.Loopback;
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

    private static byte[] ExpectedBytes(int count)
    {
        byte[] bytes = new byte[count];
        new CountingEntropy().Fill(bytes);
        return bytes;
    }
}
