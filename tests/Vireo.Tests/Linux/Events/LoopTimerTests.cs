using System.Diagnostics;
using Vireo.Linux.Events;

namespace Vireo.Tests.Linux.Events;

public sealed class LoopTimerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void OneShot_FiresOnceAndNotBeforeItsTime()
    {
        var due = TimeSpan.FromMilliseconds(10);
        using EventLoop loop = new();
        int calls = 0;
        long start = Stopwatch.GetTimestamp();
        using LoopTimer timer = loop.StartTimer(due, TimeSpan.Zero, () => calls++);

        RunUntil(loop, () => calls != 0);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        loop.RunOnce(due * 2);

        Assert.Equal(1, calls);
        Assert.True(elapsed >= due, $"fired after {elapsed}");
    }

    [Fact]
    public void Periodic_FiresAgainAndAgain()
    {
        using EventLoop loop = new();
        int calls = 0;
        using LoopTimer timer = loop.StartTimer(TimeSpan.Zero, TimeSpan.FromMilliseconds(1), () => calls++);

        RunUntil(loop, () => calls >= 5);

        Assert.True(calls >= 5);
    }

    [Fact]
    public void DueAtOnce_Fires()
    {
        using EventLoop loop = new();
        int calls = 0;
        using LoopTimer timer = loop.StartTimer(TimeSpan.Zero, Timeout.InfiniteTimeSpan, () => calls++);

        RunUntil(loop, () => calls != 0);

        Assert.Equal(1, calls);
    }

    [Fact]
    public void DueNever_FiresAfterChange()
    {
        using EventLoop loop = new();
        int calls = 0;
        using LoopTimer timer = loop.StartTimer(Timeout.InfiniteTimeSpan, TimeSpan.Zero, () => calls++);

        loop.RunOnce(TimeSpan.FromMilliseconds(5));
        Assert.Equal(0, calls);
        timer.Change(TimeSpan.Zero, TimeSpan.Zero);
        RunUntil(loop, () => calls != 0);

        Assert.Equal(1, calls);
    }

    [Fact]
    public void Dispose_BeforeDue_DoesNotFire()
    {
        using EventLoop loop = new();
        int calls = 0;
        LoopTimer timer = loop.StartTimer(TimeSpan.Zero, TimeSpan.Zero, () => calls++);

        timer.Dispose();
        timer.Dispose();
        loop.RunOnce(TimeSpan.FromMilliseconds(5));

        Assert.Equal(0, calls);
    }

    [Fact]
    public void NegativeTimes_Throw()
    {
        using EventLoop loop = new();
        var negative = TimeSpan.FromSeconds(-2);

        Assert.Throws<ArgumentOutOfRangeException>(() => loop.StartTimer(negative, TimeSpan.Zero, () => { }));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.StartTimer(TimeSpan.Zero, negative, () => { }));
    }

    private static void RunUntil(EventLoop loop, Func<bool> isDone)
    {
        long start = Stopwatch.GetTimestamp();
        while (!isDone() && Stopwatch.GetElapsedTime(start) < Patience)
        {
            loop.RunOnce(Patience);
        }
    }
}
