using System.Diagnostics;

namespace Vireo.Linux.Events;

/// <content>Tasks and their turns.</content>
public sealed partial class EventLoop
{
    /// <summary>While tasks are active, descriptors are looked at this often: control traffic waits no longer than that
    /// plus one round of turns.</summary>
    private static readonly long EventCheckTicks = ToTicks(TimeSpan.FromMicroseconds(20));

    /// <summary>The clock is to be read about this often; reading it takes 25 ns, a turn that finds nothing takes 5.</summary>
    private static readonly long ClockTicks = ToTicks(TimeSpan.FromMicroseconds(4));

    /// <summary>A task idle for this long (or for the poll window, if longer) is armed even while others work.</summary>
    private static readonly long ShedTicks = ToTicks(TimeSpan.FromMilliseconds(1));

    /// <summary>Turns between two looks at the clock, at most.</summary>
    private const int TurnsPerClockMax = 512;

    private readonly List<LoopTask> _tasks = [];

    /// <summary>The active tasks, in the first places. As long as the list of all tasks, so activation never allocates.</summary>
    private LoopTask[] _active = new LoopTask[4];
    private int _activeCount;

    /// <summary>The task in its turn, or null; after an exception, the one that threw.</summary>
    private LoopTask? _current;

    /// <summary>The poll window at present, in ticks of Stopwatch; long.MaxValue for no end.</summary>
    private long _pollTicks;

    /// <summary>The poll window that was asked for: the longest, where it adapts.</summary>
    private long _pollTicksMax;

    /// <summary>Turns between two looks at the clock, adapted to how long turns take; and those left until the next.</summary>
    private int _turnsPerClock = 1;
    private int _turnsToClock = 1;

    private long _lastClockTicks;
    private long _lastEventCheckTicks;
    private long _lastWorkTicks;

    /// <summary>
    /// How long the loop goes on giving turns to tasks that find nothing to do, before it arms them and sleeps: zero (the default)
    /// to sleep at once, Timeout.InfiniteTimeSpan to poll for ever. Set before the loop runs, or on its thread.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public TimeSpan PollWindow
    {
        get;
        set
        {
            if (value == Timeout.InfiniteTimeSpan)
            {
                _pollTicksMax = long.MaxValue;
            }
            else
            {
                ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
                _pollTicksMax = ToTicks(value);
            }

            field = value;
            _pollTicks = AdaptsPollWindow ? 0 : _pollTicksMax;
        }
    }

    /// <summary>
    /// Whether the poll window is only the longest: the loop polls where a sleep would have been shorter than that, and sleeps at once
    /// where it would not. So a loop with little to do costs nothing, and a busy one saves the wake-ups. Set before the loop runs, or on its
    /// thread.
    /// </summary>
    public bool AdaptsPollWindow
    {
        get;
        set
        {
            field = value;
            _pollTicks = value ? 0 : _pollTicksMax;
        }
    }

    /// <summary>Adds a task, asleep. On the loop's thread, or while the loop does not run.</summary>
    /// <param name="task">The task; it may be in one loop at a time.</param>
    /// <exception cref="InvalidOperationException">The task is in a loop; or called off the thread of a running loop.</exception>
    public void Add(LoopTask task)
    {
        ArgumentNullException.ThrowIfNull(task);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ThrowIfElsewhere();
        if (task.Loop is not null)
        {
            throw new InvalidOperationException("The task is in a loop already.");
        }

        _tasks.Add(task);
        if (_tasks.Count > _active.Length)
        {
            Array.Resize(ref _active, _active.Length * 2);
        }

        task.Join(this);
    }

    /// <summary>Removes a task: it has no turn any more. On the loop's thread, or while the loop does not run.</summary>
    /// <param name="task">The task. One that is not in this loop is left alone.</param>
    /// <exception cref="InvalidOperationException">Called off the thread of a running loop.</exception>
    public void Remove(LoopTask task)
    {
        ArgumentNullException.ThrowIfNull(task);
        ThrowIfElsewhere();
        if (_tasks.Remove(task))
        {
            Deactivate(task);
            task.Leave();
        }
    }

    internal void Activate(LoopTask task)
    {
        if (!IsCurrentThread)
        {
            ActivateFromElsewhere(task);
        }
        else if (ReferenceEquals(task.Loop, this))
        {
            // A wake-up counts as work: the poll window begins with it.
            task.HasWorked = true;
            task.IsTurnOwed = true;
            if (task.ActiveIndex < 0)
            {
                task.ActiveIndex = _activeCount;
                _active[_activeCount] = task;
                _activeCount++;
            }
        }
    }

    /// <summary>Sleeps, and concludes from how long that took whether it would have been better to poll.</summary>
    private void SleepAndLearn()
    {
        long begin = Stopwatch.GetTimestamp();
        WaitForEvents(Timeout.Infinite);
        bool wasShort = Stopwatch.GetTimestamp() - begin <= _pollTicksMax;
        long least = _pollTicksMax / 4;
        long half = _pollTicks / 2;
        // Grows from a quarter to the whole in three steps, and goes back to nothing in as many.
        _pollTicks =
            wasShort ? Math.Clamp(_pollTicks, least, _pollTicksMax / 2) * 2
            : half < least ? 0
            : half;
    }

    private static long ToTicks(TimeSpan time) =>
        (long)Math.Min(time.TotalSeconds * Stopwatch.Frequency, long.MaxValue / 2);

    private void Deactivate(LoopTask task)
    {
        int index = task.ActiveIndex;
        if (index < 0)
        {
            return;
        }

        // The last task takes the place; it may miss one turn by that.
        _activeCount--;
        LoopTask last = _active[_activeCount];
        _active[index] = last;
        last.ActiveIndex = index;
        _active[_activeCount] = null!;
        task.ActiveIndex = -1;
        task.IsTurnOwed = false;
    }

    /// <summary>One turn for each active task, and what has to be done between turns.</summary>
    private void RunActiveTasks()
    {
        if (!RunTurns() && _pollTicks == 0)
        {
            ArmTasks();
        }

        _turnsToClock--;
        if (_turnsToClock <= 0)
        {
            LookUp();
        }
    }

    private bool RunTurns()
    {
        bool hasWorked = false;
        // Tasks activated in between come behind and have their first turn in this round, too.
        for (int index = 0; index < _activeCount; index++)
        {
            LoopTask task = _active[index];
            _current = task;
            task.IsTurnOwed = false;
            if (task.Run())
            {
                task.HasWorked = true;
                hasWorked = true;
            }
        }

        _current = null;
        return hasWorked;
    }

    /// <summary>Arms every active task and puts those to sleep that found no work in doing so.</summary>
    private void ArmTasks()
    {
        // From the end, because Deactivate fills the gap with the last.
        for (int index = _activeCount - 1; index >= 0; index--)
        {
            // A task may have removed others in its TryArm.
            if (index < _activeCount)
            {
                Arm(_active[index]);
            }
        }
    }

    private void Arm(LoopTask task)
    {
        if (task.IsTurnOwed)
        {
            // Activated by another task since its last turn: what it was activated for is not what it looks for when it arms.
            return;
        }

        _current = task;
        if (task.TryArm())
        {
            Deactivate(task);
        }
        else
        {
            // Work has appeared: the poll window begins anew.
            task.HasWorked = true;
        }

        _current = null;
    }

    /// <summary>Reads the clock, and does what is due by it.</summary>
    private void LookUp()
    {
        long now = Stopwatch.GetTimestamp();
        AdaptClock(now - _lastClockTicks);
        _lastClockTicks = now;
        NoteWork(now);
        if (_activeCount != 0 && _pollTicks != 0 && now - _lastWorkTicks >= _pollTicks)
        {
            ArmTasks();
        }

        if (now - _lastEventCheckTicks >= EventCheckTicks)
        {
            _lastEventCheckTicks = now;
            PollEvents(0);
        }
    }

    /// <summary>Short turns: look less often. Long ones: look more often.</summary>
    private void AdaptClock(long elapsedTicks)
    {
        if (elapsedTicks < ClockTicks)
        {
            _turnsPerClock = Math.Min(_turnsPerClock * 2, TurnsPerClockMax);
        }
        else if (elapsedTicks > ClockTicks * 2)
        {
            _turnsPerClock = Math.Max(_turnsPerClock / 2, 1);
        }

        _turnsToClock = _turnsPerClock;
    }

    /// <summary>Records which tasks worked since the last look, and arms those that have not for long.</summary>
    private void NoteWork(long now)
    {
        long shedTicks = Math.Max(ShedTicks, _pollTicks);
        for (int index = _activeCount - 1; index >= 0; index--)
        {
            if (index >= _activeCount)
            {
                continue;
            }

            LoopTask task = _active[index];
            if (task.HasWorked)
            {
                task.HasWorked = false;
                task.LastWorkTicks = now;
                _lastWorkTicks = now;
            }
            else if (now - task.LastWorkTicks >= shedTicks)
            {
                Arm(task);
            }
        }
    }

    /// <summary>After an exception: the task in whose turn it was thrown, if any, sleeps until somebody activates it.</summary>
    private void SleepFaultyTask()
    {
        if (_current is { } task)
        {
            _current = null;
            Deactivate(task);
        }
    }
}
