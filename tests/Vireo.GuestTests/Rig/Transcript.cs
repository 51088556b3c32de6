using System.Diagnostics;

namespace Vireo.GuestTests.Rig;

/// <summary>Everything that the guests and programs of one test said, in the order it was heard, with the time and who said it.</summary>
/// <remarks>A file that is removed when the test passes. May be written to by any thread.</remarks>
public sealed class Transcript : IDisposable
{
    private readonly Lock _lock = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Queue<string> _tail = new();
    private readonly StreamWriter _writer;

    /// <summary>How many lines are kept in memory for failure messages.</summary>
    private const int TailMax = 200;

    /// <summary>How much of a long line (a command line of QEMU's) a failure message shows.</summary>
    private const int TailColumnsMax = 300;

    public Transcript(string path)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        Path = path;
        _writer = new StreamWriter(path) { AutoFlush = true };
    }

    public string Path { get; }

    public void Write(string source, string line)
    {
        lock (_lock)
        {
            string entry = $"[{Stopwatch.GetElapsedTime(_start):mm\\:ss\\.fff}] {source}: {line}";
            if (_writer.BaseStream.CanWrite)
            {
                _writer.WriteLine(entry);
            }

            _tail.Enqueue(entry.Length > TailColumnsMax ? $"{entry[..TailColumnsMax]}..." : entry);
            if (_tail.Count > TailMax)
            {
                _tail.Dequeue();
            }
        }
    }

    /// <summary>The last lines, at most <paramref name="count"/> of them.</summary>
    public string Tail(int count)
    {
        lock (_lock)
        {
            return string.Join('\n', _tail.Skip(_tail.Count - count));
        }
    }

    public void Delete() => File.Delete(Path);

    public void Dispose()
    {
        lock (_lock)
        {
            _writer.Dispose();
        }
    }
}
