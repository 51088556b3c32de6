using System.Diagnostics;
using Vireo.Linux.Processes;

namespace Vireo.Cli.Demo;

/// <summary>A program that the demonstration runs. It does not outlive the demonstration, however that ends.</summary>
internal sealed class ChildProcess : IDisposable
{
    /// <summary>How many of its last words are kept for the case that it fails.</summary>
    private const int LastLinesMax = 20;

    /// <summary>Who does not end in this time when asked is ended.</summary>
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly Queue<string> _lastLines = new();

    private ChildProcess(string name, Process process)
    {
        Name = name;
        _process = process;
    }

    /// <summary>What messages call it.</summary>
    public string Name { get; }

    /// <summary>Its number.</summary>
    public int Id => _process.Id;

    /// <summary>What it writes to standard output, when that was asked for.</summary>
    public Stream Output => _process.StandardOutput.BaseStream;

    /// <summary>How it ended: 128 and the signal's number when a signal ended it. Valid after <see cref="WaitForEnd"/>.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Starts a program. Call on a thread that lives as long as the demonstration: the kernel ends it with its thread.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="streams">What becomes of its input and output.</param>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its words.</param>
    /// <exception cref="CommandException">It cannot be started.</exception>
    public static ChildProcess Start(
        string name,
        ChildStreams streams,
        string program,
        params IEnumerable<string> arguments
    )
    {
        // A session of its own keeps the terminal's Ctrl-C away from what we want to end ourselves, in order.
        string[] isolation = streams == ChildStreams.Terminal ? [] : ["setsid", "--"];
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "TERM", "--", .. isolation, program, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = streams != ChildStreams.Terminal,
            RedirectStandardOutput = streams != ChildStreams.Terminal,
            RedirectStandardError = streams == ChildStreams.Kept,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new CommandException("the demonstration needs 'setpriv'; install the package util-linux");
        }

        var child = new ChildProcess(name, process);
        if (start.RedirectStandardInput)
        {
            process.StandardInput.Close();
        }

        if (start.RedirectStandardError)
        {
            process.ErrorDataReceived += (_, data) => child.Keep(data.Data);
            process.BeginErrorReadLine();
        }

        return child;
    }

    /// <summary>The first line of its output.</summary>
    /// <returns>Null when it ended without one.</returns>
    public string? ReadLine() => _process.StandardOutput.ReadLine();

    /// <summary>All of its output that is left.</summary>
    public string ReadToEnd() => _process.StandardOutput.ReadToEnd();

    /// <summary>Waits until it has ended.</summary>
    public void WaitForEnd() => _process.WaitForExit();

    /// <summary>Asks it to end. Any thread may call; nothing happens when it has ended.</summary>
    public void Terminate()
    {
        if (!_process.HasExited)
        {
            ProcessSignal.Terminate(_process.Id);
        }
    }

    /// <summary>What it said last on standard error, in one line; empty when nothing was kept.</summary>
    public string LastWords()
    {
        lock (_lastLines)
        {
            return _lastLines.Count == 0 ? "" : string.Join(" / ", _lastLines);
        }
    }

    /// <summary>Ends it if it still runs, at last by force.</summary>
    public void Dispose()
    {
        Terminate();
        if (!_process.WaitForExit(EndTimeout))
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lastLines)
        {
            if (_lastLines.Count == LastLinesMax)
            {
                _lastLines.Dequeue();
            }

            _lastLines.Enqueue(line);
        }
    }
}
