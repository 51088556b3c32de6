using System.Diagnostics;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Linux.Events;

public sealed class EventLoopTaskTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void RunOnce_TaskNeverActivated_GivesItNoTurn()
    {
        using EventLoop loop = new();
        ScriptedTask task = new(() => true);
        loop.Add(task);

        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(0, task.Turns);
    }

    [Fact]
    public void RunOnce_TaskWithoutWorkAndNoWindow_ArmsItAtOnce()
    {
        using EventLoop loop = new();
        ScriptedTask task = new(() => false);
        loop.Add(task);
        task.Activate();

        loop.RunOnce(TimeSpan.Zero);
        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(1, task.Turns);
        Assert.Equal(1, task.Arms);
    }

    [Fact]
    public void RunOnce_TaskThatFindsWorkWhileArming_StaysActive()
    {
        using EventLoop loop = new();
        bool hasWork = false;
        ScriptedTask task = new(
            () => hasWork,
            () =>
            {
                hasWork = !hasWork;
                return !hasWork;
            }
        );
        loop.Add(task);
        task.Activate();

        loop.RunOnce(TimeSpan.Zero);
        Assert.Equal((1, 1), (task.Turns, task.Arms));
        loop.RunOnce(TimeSpan.Zero);
        Assert.Equal((2, 1), (task.Turns, task.Arms));
        hasWork = false;
        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal((3, 2), (task.Turns, task.Arms));
    }

    [Fact]
    public void Run_BusyTask_IsNotArmedAndDoesNotStarveWatchersTimersAndPosts()
    {
        using EventLoop loop = new();
        using var signal = EventFd.Create();
        CountingWatcher watcher = new();
        using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, watcher);
        ScriptedTask busy = new(() => true);
        loop.Add(busy);
        busy.Activate();
        int ticks = 0;
        bool hasPosted = false;
        using LoopTimer timer = loop.StartTimer(
            TimeSpan.FromMilliseconds(1),
            TimeSpan.FromMilliseconds(1),
            () =>
            {
                ticks++;
                signal.Signal();
                loop.Post(() => hasPosted = true);
                if (ticks == 10)
                {
                    loop.Stop();
                }
            }
        );

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(0, busy.Arms);
        Assert.True(busy.Turns > 1, $"{busy.Turns} turns in 10 ms");
        Assert.InRange(watcher.Calls, 1, 10);
        Assert.True(hasPosted);
    }

    [Fact]
    public void Run_TwoBusyTasks_TakeTurnsEvenly()
    {
        const int Turns = 10_000;
        using EventLoop loop = new();
        ScriptedTask first = new(() => true);
        ScriptedTask? second = null;
        second = new ScriptedTask(() =>
        {
            if (second!.Turns == Turns)
            {
                loop.Stop();
            }

            return true;
        });
        loop.Add(first);
        loop.Add(second);
        first.Activate();
        second.Activate();

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(Turns, second.Turns);
        Assert.InRange(first.Turns, Turns - 1, Turns + 1);
    }

    [Fact]
    public void Run_WithPollWindow_ArmsOnlyAfterIt()
    {
        // So long that a busy host does not use it up between two turns.
        var window = TimeSpan.FromMilliseconds(100);
        using EventLoop loop = new() { PollWindow = window };
        long armedAt = 0;
        ScriptedTask task = new(
            () => false,
            () =>
            {
                armedAt = Stopwatch.GetTimestamp();
                loop.Stop();
                return true;
            }
        );
        loop.Add(task);
        int work = 0;
        // Works once, so that the window has a beginning.
        ScriptedTask starter = new(() => work++ == 0);
        loop.Add(starter);
        starter.Activate();
        task.Activate();
        long start = Stopwatch.GetTimestamp();

        EventLoopTests.RunWithPatience(loop);

        Assert.True(Stopwatch.GetElapsedTime(start, armedAt) >= window);
        Assert.True(task.Turns > 1, $"{task.Turns} turns in the window");
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(60, false)]
    public void Run_PollWindowThatAdapts_PollsOnlyWhereSleepsAreShort(int pauseMs, bool polls)
    {
        const int PausesMax = 200;
        using EventLoop loop = new() { AdaptsPollWindow = true, PollWindow = TimeSpan.FromMilliseconds(30) };
        ScriptedTask task = new(() => false);
        loop.Add(task);
        int pauses = 0;
        int turns = 0;
        bool hasPolled = false;
        using LoopTimer timer = loop.StartTimer(
            TimeSpan.FromMilliseconds(pauseMs),
            TimeSpan.FromMilliseconds(pauseMs),
            () =>
            {
                // A pause costs a handful of turns where the loop sleeps, and very many where it polls.
                pauses++;
                hasPolled |= task.Turns - turns > 50;
                turns = task.Turns;
                task.Activate();
                // On a busy host a short pause may be a long one now and then, but not every time.
                if (polls ? hasPolled || pauses == PausesMax : pauses == 4)
                {
                    loop.Stop();
                }
            }
        );
        task.Activate();

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(polls, hasPolled);
    }

    [Fact]
    public void Run_PollForEver_NeverArms()
    {
        using EventLoop loop = new() { PollWindow = Timeout.InfiniteTimeSpan };
        ScriptedTask task = new(() => false);
        loop.Add(task);
        task.Activate();
        using LoopTimer timer = loop.StartTimer(
            TimeSpan.FromMilliseconds(20),
            TimeSpan.FromMilliseconds(20),
            () =>
            {
                if (task.Turns > 1)
                {
                    loop.Stop();
                }
            }
        );

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(0, task.Arms);
    }

    [Fact]
    public void Run_IdleTaskBesideABusyOne_IsArmedAfterAWhile()
    {
        using EventLoop loop = new() { PollWindow = TimeSpan.FromMicroseconds(50) };
        ScriptedTask busy = new(() => true);
        ScriptedTask idle = new(
            () => false,
            () =>
            {
                loop.Stop();
                return true;
            }
        );
        loop.Add(busy);
        loop.Add(idle);
        busy.Activate();
        idle.Activate();

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(1, idle.Arms);
        Assert.Equal(0, busy.Arms);
    }

    [Fact]
    public void Activate_TaskThatIsAwakeButIdleForLong_HasATurnBeforeItSleeps()
    {
        // An engine completes a request of a queue that is still awake, after a turn so long that the loop sheds idle tasks.
        using EventLoop loop = new();
        ScriptedTask queue = new(() => false);
        int turnsBefore = -1;
        ScriptedTask engine = null!;
        engine = new(() =>
        {
            if (engine.Turns == 2)
            {
                Thread.Sleep(5);
                turnsBefore = queue.Turns;
                queue.Activate();
            }

            return engine.Turns <= 2;
        });
        loop.Add(queue);
        loop.Add(engine);
        // Activations from outside are taken last in, first out: the queue's turns come before the engine's.
        engine.Activate();
        queue.Activate();

        for (int round = 0; round < 10; round++)
        {
            loop.RunOnce(TimeSpan.Zero);
        }

        Assert.True(engine.Turns > 2, $"the engine had {engine.Turns} turns");
        Assert.True(queue.Turns > turnsBefore, $"{turnsBefore} turns before the activation, {queue.Turns} at the end");
    }

    [Fact]
    public void TryArm_TaskActivatedByTheArmingOfAnother_HasATurnBeforeItSleeps()
    {
        using EventLoop loop = new();
        ScriptedTask first = new(() => false);
        bool isActivated = false;
        int turnsBefore = -1;
        ScriptedTask second = new(
            () => false,
            () =>
            {
                if (!isActivated)
                {
                    isActivated = true;
                    turnsBefore = first.Turns;
                    first.Activate();
                }

                return true;
            }
        );
        loop.Add(first);
        loop.Add(second);
        // As above; and the last is armed first.
        second.Activate();
        first.Activate();

        for (int round = 0; round < 10; round++)
        {
            loop.RunOnce(TimeSpan.Zero);
        }

        Assert.True(isActivated);
        Assert.True(first.Turns > turnsBefore, $"{turnsBefore} turns before the activation, {first.Turns} at the end");
    }

    [Fact]
    public void Activate_FromOtherThreads_NeverLosesAWakeUp()
    {
        // Producers add to a counter and activate; the task takes from it. A lost wake-up leaves the rest untaken for ever.
        const int Producers = 3;
        const int ItemsPerProducer = 30_000;
        using EventLoop loop = new();
        int items = 0;
        int taken = 0;
        ScriptedTask task = new(
            () =>
            {
                int found = Interlocked.Exchange(ref items, 0);
                taken += found;
                if (taken == Producers * ItemsPerProducer)
                {
                    loop.Stop();
                }

                return found != 0;
            },
            // As a queue arms: from here on producers signal, so look once more.
            () => Volatile.Read(ref items) == 0
        );
        loop.Add(task);
        var producers = new Thread[Producers];
        for (int index = 0; index < Producers; index++)
        {
            producers[index] = new Thread(() =>
            {
                for (int item = 0; item < ItemsPerProducer; item++)
                {
                    Interlocked.Increment(ref items);
                    task.Activate();
                }
            });
        }

        Array.ForEach(producers, thread => thread.Start());
        EventLoopTests.RunWithPatience(loop);
        Array.ForEach(producers, thread => thread.Join());

        Assert.Equal(Producers * ItemsPerProducer, taken);
    }

    [Fact]
    public void Remove_ActiveTask_HasNoFurtherTurn()
    {
        using EventLoop loop = new();
        ScriptedTask task = new(() => true);
        ScriptedTask other = new(() => true);
        loop.Add(task);
        loop.Add(other);
        task.Activate();
        other.Activate();
        loop.RunOnce(TimeSpan.Zero);

        loop.Remove(task);
        task.Activate();
        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(1, task.Turns);
        Assert.Equal(2, other.Turns);
        Assert.Null(task.Loop);
    }

    [Fact]
    public void Remove_OwnTaskDuringItsTurn_Works()
    {
        using EventLoop loop = new();
        ScriptedTask? task = null;
        task = new ScriptedTask(() =>
        {
            loop.Remove(task!);
            return false;
        });
        ScriptedTask other = new(() => true);
        loop.Add(task);
        loop.Add(other);
        task.Activate();
        other.Activate();

        loop.RunOnce(TimeSpan.Zero);
        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(1, task.Turns);
        Assert.Equal(0, task.Arms);
        Assert.InRange(other.Turns, 1, 2);
    }

    [Fact]
    public void Activate_TaskThatMovedToAnotherLoop_RunsThere()
    {
        using EventLoop first = new();
        using EventLoop second = new();
        ScriptedTask task = new(() => false);
        first.Add(task);
        task.Activate();
        first.Remove(task);
        second.Add(task);

        first.RunOnce(TimeSpan.Zero);
        second.RunOnce(Patience);

        Assert.Equal(1, task.Turns);
    }

    [Fact]
    public void Add_TaskOfAnotherLoop_Throws()
    {
        using EventLoop first = new();
        using EventLoop second = new();
        ScriptedTask task = new(() => false);
        first.Add(task);

        Assert.Throws<InvalidOperationException>(() => second.Add(task));
    }

    [Fact]
    public void UnhandledException_FromTask_PutsItToSleepAndOthersRun()
    {
        using EventLoop loop = new();
        List<Exception> reports = [];
        loop.UnhandledException = reports.Add;
        ScriptedTask faulty = new(() => throw new FormatException("mine"));
        ScriptedTask other = new(() => true);
        loop.Add(faulty);
        loop.Add(other);
        faulty.Activate();
        other.Activate();

        loop.RunOnce(TimeSpan.Zero);
        loop.RunOnce(TimeSpan.Zero);

        Assert.Single(reports);
        Assert.Equal(1, faulty.Turns);
        Assert.True(other.Turns >= 1);
    }

    [Fact]
    public void TurnsAndWakeUps_AllocateNothing()
    {
        const int KicksPerRound = 2_000;
        using EventLoop loop = new();
        using var kick = EventFd.Create();
        int pending = 0;
        int kicks = 0;
        ScriptedTask task = new(
            () =>
            {
                int found = pending;
                pending = 0;
                return found != 0;
            },
            () =>
            {
                // The next request comes when the loop is about to sleep, and wakes it through the kernel.
                pending = 1;
                kick.Signal();
                kicks++;
                if (kicks % KicksPerRound == 0)
                {
                    loop.Stop();
                }

                return true;
            }
        );
        loop.Add(task);
        DelegateWatcher watcher = new((_, _) => task.Activate());
        using LoopWatch watch = loop.Watch(kick.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, watcher);
        task.Activate();

        Allocations.AssertNone(loop.Run);

        Assert.True(watcher.Calls >= KicksPerRound - 1);
    }
}
