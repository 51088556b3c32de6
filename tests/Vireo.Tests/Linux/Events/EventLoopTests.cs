using System.Diagnostics;
using System.Runtime.InteropServices;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.Events;

public sealed partial class EventLoopTests
{
    private const int SIGWINCH = 28;

    /// <summary>What the clock behind Environment.TickCount64 may be late by.</summary>
    private static readonly TimeSpan CoarseTick = TimeSpan.FromMilliseconds(20);

    /// <summary>Longer than anything here takes; only a failing test waits for it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void RunOnce_SignalledDescriptor_CallsItsWatcher()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        CountingWatcher watcher = new();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, watcher);

        loop.RunOnce(TimeSpan.Zero);
        Assert.Equal(0, watcher.Calls);
        signal.Signal();
        loop.RunOnce(Patience);

        Assert.Equal(1, watcher.Calls);
        Assert.Equal(LoopEvents.Readable, watcher.LastEvents);
    }

    [Fact]
    public void RunOnce_Interrupted_GoesOnWaiting()
    {
        var wait = TimeSpan.FromMilliseconds(100);
        using EventLoop loop = new();
        using var handler = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context => context.Cancel = true);
        int thread = gettid();
        using CancellationTokenSource end = new();
        Thread interrupter = new(() =>
        {
            while (!end.Token.WaitHandle.WaitOne(1))
            {
                _ = tgkill(Environment.ProcessId, thread, SIGWINCH);
            }
        });
        interrupter.Start();
        long start = Stopwatch.GetTimestamp();

        loop.RunOnce(wait);

        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        end.Cancel();
        interrupter.Join();
        Assert.True(elapsed >= wait - CoarseTick, $"returned after {elapsed}");
    }

    [Fact]
    public void Watch_EdgeTriggeredEventFd_ReportsEachSignalOnceWithoutRead()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        CountingWatcher watcher = new();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, watcher);

        for (int round = 1; round <= 3; round++)
        {
            signal.Signal();
            loop.RunOnce(Patience);
            loop.RunOnce(TimeSpan.Zero);
            Assert.Equal(round, watcher.Calls);
        }
    }

    [Fact]
    public void Dispose_WatchWithReportedEvent_IsNotCalledAnyMore()
    {
        using EventLoop loop = new();
        using var first = EventFd.Create();
        using var second = EventFd.Create();
        var watches = new LoopWatch[2];
        // Whichever is called first ends the other, whose event has been reported in the same batch.
        DelegateWatcher watcher = new((watch, _) => watches[watch == watches[0] ? 1 : 0].Dispose());
        watches[0] = loop.Watch(first.Handle, LoopEvents.Readable, watcher);
        watches[1] = loop.Watch(second.Handle, LoopEvents.Readable, watcher);
        first.Signal();
        second.Signal();

        loop.RunOnce(Patience);

        Assert.Equal(1, watcher.Calls);
    }

    [Fact]
    public void Dispose_DescriptorBeforeWatch_StaysOpenUntilTheWatchEnds()
    {
        using EventLoop loop = new();
        var signal = EventFd.Create();
        using var copy = EventFd.Wrap(DescriptorFlags.Duplicate(signal.Handle));
        CountingWatcher watcher = new();
        LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, watcher);
        signal.Dispose();

        watch.Dispose();
        copy.Signal();
        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(0, watcher.Calls);
    }

    [Fact]
    public void Watch_SlotOfEndedWatch_GetsNoEventsOfItsPredecessor()
    {
        using EventLoop loop = new();
        using var first = EventFd.Create();
        using var second = EventFd.Create();
        CountingWatcher late = new();
        List<LoopWatch> watches = [];
        DelegateWatcher replacing = new(
            (_, _) =>
            {
                watches.ForEach(watch => watch.Dispose());
                using var unrelated = EventFd.Create();
                watches = [loop.Watch(unrelated.Handle, LoopEvents.Readable, late)];
                watches.Add(loop.Watch(EventFd.Create().Handle, LoopEvents.Readable, late));
            }
        );
        watches.Add(loop.Watch(first.Handle, LoopEvents.Readable, replacing));
        watches.Add(loop.Watch(second.Handle, LoopEvents.Readable, replacing));
        first.Signal();
        second.Signal();

        loop.RunOnce(Patience);

        Assert.Equal(1, replacing.Calls);
        Assert.Equal(0, late.Calls);
    }

    [Fact]
    public void Change_ToNothing_SilencesTheWatch()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        CountingWatcher watcher = new();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, watcher);
        signal.Signal();

        watch.Change(LoopEvents.None);
        loop.RunOnce(TimeSpan.Zero);
        Assert.Equal(0, watcher.Calls);
        watch.Change(LoopEvents.Readable);
        loop.RunOnce(Patience);

        Assert.Equal(1, watcher.Calls);
    }

    [Fact]
    public void Watch_SameDescriptorTwice_Throws()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, new CountingWatcher());

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            loop.Watch(signal.Handle, LoopEvents.Readable, new CountingWatcher())
        );

        Assert.Equal(Errno.EEXIST, exception.Error);
    }

    [Fact]
    public void Watch_RegularFile_Throws()
    {
        using EventLoop loop = new();
        using var file = MemoryFile.Create("file", 0);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            loop.Watch(file.Handle, LoopEvents.Readable, new CountingWatcher())
        );

        Assert.Equal(Errno.EPERM, exception.Error);
    }

    [Fact]
    public void Post_FromManyThreads_RunsEverythingInOrderOfEachThread()
    {
        const int Threads = 4;
        const int ActionsPerThread = 20_000;
        using EventLoop loop = new();
        int[] next = new int[Threads];
        int outOfOrder = 0;
        int total = 0;
        var posters = new Thread[Threads];
        for (int index = 0; index < Threads; index++)
        {
            int poster = index;
            posters[index] = new Thread(() =>
            {
                for (int action = 0; action < ActionsPerThread; action++)
                {
                    int expected = action;
                    loop.Post(() =>
                    {
                        outOfOrder += next[poster] == expected ? 0 : 1;
                        next[poster]++;
                        total++;
                        if (total == Threads * ActionsPerThread)
                        {
                            loop.Stop();
                        }
                    });
                }
            });
        }

        Array.ForEach(posters, thread => thread.Start());
        RunWithPatience(loop);
        Array.ForEach(posters, thread => thread.Join());

        Assert.Equal(Threads * ActionsPerThread, total);
        Assert.Equal(0, outOfOrder);
    }

    [Fact]
    public void Post_ToSleepingLoop_WakesItEveryTime()
    {
        const int Rounds = 5_000;
        using var group = EventLoopGroup.Start(1);
        using AutoResetEvent done = new(false);
        Action answer = () => done.Set();

        for (int round = 0; round < Rounds; round++)
        {
            group[0].Post(answer);
            Assert.True(done.WaitOne(Patience));
        }
    }

    [Fact]
    public void Post_BeforeRun_RunsWithIt()
    {
        using EventLoop loop = new();
        bool hasRun = false;
        loop.Post(() => hasRun = true);
        loop.Stop();

        loop.Run();

        Assert.True(hasRun);
    }

    [Fact]
    public void Stop_BeforeRun_MakesTheNextRunReturnAndOnlyThat()
    {
        using EventLoop loop = new();
        loop.Stop();
        loop.Run();
        bool hasRunAgain = false;
        loop.Post(() =>
        {
            hasRunAgain = true;
            loop.Stop();
        });

        RunWithPatience(loop);

        Assert.True(hasRunAgain);
    }

    [Fact]
    public void Invoke_FromAnotherThread_RunsOnTheLoopAndWaits()
    {
        using var group = EventLoopGroup.Start(1);
        bool wasOnLoop = false;

        group[0].Invoke(() => wasOnLoop = group[0].IsCurrentThread);

        Assert.True(wasOnLoop);
        Assert.False(group[0].IsCurrentThread);
    }

    [Fact]
    public void Invoke_OnTheLoop_RunsAtOnce()
    {
        using var group = EventLoopGroup.Start(1);
        bool hasRun = false;

        group[0].Invoke(() => group[0].Invoke(() => hasRun = true));

        Assert.True(hasRun);
    }

    [Fact]
    public void Invoke_ActionThrows_RethrowsHereAndTheLoopLives()
    {
        using var group = EventLoopGroup.Start(1);

        Assert.Throws<FormatException>(() => group[0].Invoke(() => throw new FormatException("mine")));

        bool isAlive = false;
        group[0].Invoke(() => isAlive = true);
        Assert.True(isAlive);
    }

    [Fact]
    public void Invoke_LoopDoesNotRun_ThrowsRatherThanWaits()
    {
        using EventLoop loop = new();

        InvalidOperationException exception = Assert.Throws<InvalidOperationException>(() => loop.Invoke(() => { }));

        Assert.Contains("does not run", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Invoke_RacingStop_RunsOrThrowsButNeverHangs()
    {
        for (int round = 0; round < 200; round++)
        {
            using EventLoop loop = new();
            Thread runner = new(loop.Run);
            runner.Start();
            Thread stopper = new(loop.Stop);
            stopper.Start();
            try
            {
                for (int call = 0; call < 100; call++)
                {
                    loop.Invoke(() => { });
                }
            }
            catch (InvalidOperationException)
            {
                // The loop has ended, or has not begun.
            }

            stopper.Join();
            Assert.True(runner.Join(Patience));
        }
    }

    [Fact]
    public void RunNested_InAPostedAction_ServesOthersMeanwhile()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        CountingWatcher watcher = new();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, watcher);
        List<string> order = [];
        loop.Post(() =>
        {
            order.Add("begin");
            loop.Post(() => order.Add("nested"));
            loop.RunNested(TimeSpan.Zero);
            signal.Signal();
            loop.RunNested(Patience);
            order.Add("end");
            loop.Stop();
        });
        loop.Post(() => order.Add("second"));

        RunWithPatience(loop);

        Assert.Equal(["begin", "second", "nested", "end"], order);
        Assert.Equal(1, watcher.Calls);
    }

    [Fact]
    public void RunNested_OffTheLoop_Throws()
    {
        using EventLoop loop = new();

        Assert.Throws<InvalidOperationException>(() => loop.RunNested(TimeSpan.Zero));
    }

    [Fact]
    public void Run_WhileRunning_Throws()
    {
        using var group = EventLoopGroup.Start(1);

        Assert.Throws<InvalidOperationException>(group[0].Run);
    }

    [Fact]
    public void Dispose_WhileRunning_Throws()
    {
        using var group = EventLoopGroup.Start(1);

        Assert.Throws<InvalidOperationException>(group[0].Dispose);
    }

    [Fact]
    public void Watch_OffTheThreadOfARunningLoop_Throws()
    {
        using var group = EventLoopGroup.Start(1);
        using var signal = EventFd.Create();

        Assert.Throws<InvalidOperationException>(() =>
            group[0].Watch(signal.Handle, LoopEvents.Readable, new CountingWatcher())
        );
    }

    [Fact]
    public void UnhandledException_FromWatcherAndPost_ReachesTheHookAndTheRestRuns()
    {
        using EventLoop loop = new();
        List<string> reports = [];
        loop.UnhandledException = exception => reports.Add(exception.Message);
        using var signal = EventFd.Create();
        DelegateWatcher watcher = new(
            (watch, _) =>
            {
                watch.Dispose();
                throw new FormatException("watcher");
            }
        );
        loop.Watch(signal.Handle, LoopEvents.Readable, watcher);
        signal.Signal();
        loop.Post(() => throw new FormatException("first"));
        loop.Post(() => throw new FormatException("second"));
        using LoopTimer end = loop.StartTimer(TimeSpan.FromMilliseconds(20), TimeSpan.Zero, loop.Stop);

        RunWithPatience(loop);

        reports.Sort(StringComparer.Ordinal);
        Assert.Equal(["first", "second", "watcher"], reports);
    }

    [Fact]
    public void Dispose_OpenWatchesAndTimers_BecomeDead()
    {
        EventLoop loop = new();
        using var signal = EventFd.Create();
        LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, new CountingWatcher());
        LoopTimer timer = loop.StartTimer(TimeSpan.Zero, TimeSpan.Zero, () => { });
        loop.Dispose();

        watch.Change(LoopEvents.Writable);
        watch.Dispose();
        timer.Dispose();

        Assert.Throws<ObjectDisposedException>(() => loop.Post(() => { }));
        Assert.Throws<ObjectDisposedException>(loop.Run);
    }

    /// <summary>Runs the loop, and fails rather than hangs.</summary>
    internal static void RunWithPatience(EventLoop loop)
    {
        bool isLate = false;
        using LoopTimer guard = loop.StartTimer(
            Patience,
            TimeSpan.Zero,
            () =>
            {
                isLate = true;
                loop.Stop();
            }
        );
        loop.Run();
        Assert.False(isLate, "the loop did not stop in time");
    }

    [LibraryImport("libc")]
    private static partial int gettid();

    [LibraryImport("libc")]
    private static partial int tgkill(int process, int thread, int signal);
}
