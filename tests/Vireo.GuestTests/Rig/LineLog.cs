using System.Diagnostics;

namespace Vireo.GuestTests.Rig;

/// <summary>Lines that somebody else writes and tests wait for.</summary>
/// <remarks>One thread appends; any thread may wait. An unfinished line (a prompt) can be waited for as well.</remarks>
public sealed class LineLog
{
    private readonly object _changed = new();
    private readonly List<string> _lines = [];
    private string _unfinished = "";
    private bool _closed;

    /// <summary>How many whole lines there are: what a wait that looks only at what is still to come starts from.</summary>
    public int Count
    {
        get
        {
            lock (_changed)
            {
                return _lines.Count;
            }
        }
    }

    public void Append(string line)
    {
        lock (_changed)
        {
            _lines.Add(line);
            _unfinished = "";
            Monitor.PulseAll(_changed);
        }
    }

    /// <summary>Sets what has been read of the line that is not yet whole.</summary>
    public void SetUnfinished(string text)
    {
        lock (_changed)
        {
            _unfinished = text;
            Monitor.PulseAll(_changed);
        }
    }

    /// <summary>Says that nothing more will come; waits that can no longer succeed end.</summary>
    public void Close()
    {
        lock (_changed)
        {
            if (_unfinished.Length > 0)
            {
                _lines.Add(_unfinished);
                _unfinished = "";
            }

            _closed = true;
            Monitor.PulseAll(_changed);
        }
    }

    /// <summary>The whole lines from <paramref name="first"/> up to but without <paramref name="end"/> (none: to the last).</summary>
    public IReadOnlyList<string> Lines(int first = 0, int? end = null)
    {
        lock (_changed)
        {
            return _lines[first..(end ?? _lines.Count)];
        }
    }

    /// <summary>
    /// Waits for a line at or behind <paramref name="first"/> and gives its number: -1 when the time is up or the log
    /// was closed without it.
    /// </summary>
    /// <param name="matchesUnfinished">Whether the line may be one that is not whole yet.</param>
    public int WaitFor(Predicate<string> wanted, int first, TimeSpan timeout, bool matchesUnfinished = false)
    {
        long start = Stopwatch.GetTimestamp();
        int next = first;
        lock (_changed)
        {
            while (true)
            {
                for (; next < _lines.Count; next++)
                {
                    if (wanted(_lines[next]))
                    {
                        return next;
                    }
                }

                if (matchesUnfinished && _unfinished.Length > 0 && wanted(_unfinished))
                {
                    return _lines.Count;
                }

                TimeSpan left = timeout - Stopwatch.GetElapsedTime(start);
                if (_closed || left <= TimeSpan.Zero)
                {
                    return -1;
                }

                Monitor.Wait(_changed, left);
            }
        }
    }
}
