using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Vireo.GuestTests.Rig;

/// <summary>A program that a test runs: its output goes to the transcript, and it never outlives the test program.</summary>
public sealed partial class ChildProcess : IDisposable
{
    private readonly Process _process;
    private readonly Transcript _transcript;
    private readonly LineLog _output = new();
    private readonly LineLog _errors = new();

    private static readonly Dictionary<string, string> NoVariables = new(StringComparer.Ordinal);

    /// <summary>
    /// Starts every child. The kernel's "signal me when my parent dies" means the parent's thread, so children must be
    /// started by a thread that lives as long as the process does.
    /// </summary>
    private static readonly BlockingCollection<Action> Starts = StartStarter();

    private ChildProcess(string name, Process process, Transcript transcript)
    {
        Name = name;
        _process = process;
        _transcript = transcript;
    }

    public string Name { get; }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it wrote to its standard output so far, line by line.</summary>
    public LineLog Output => _output;

    /// <summary>What it wrote to its standard error so far, line by line.</summary>
    public LineLog Errors => _errors;

    /// <summary>Starts a program with no input.</summary>
    /// <param name="name">What the transcript calls it.</param>
    public static ChildProcess Start(
        string name,
        Transcript transcript,
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null
    )
    {
        // When this process dies, however it dies, the kernel kills the child.
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", "--", program, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (KeyValuePair<string, string> variable in environment ?? NoVariables)
        {
            start.Environment[variable.Key] = variable.Value;
        }

        transcript.Write("rig", $"{name}: {program} {string.Join(' ', start.ArgumentList.Skip(4).Select(Quote))}");
        var child = new ChildProcess(name, new Process { StartInfo = start }, transcript);
        child.Begin();
        return child;
    }

    public void Signal(UnixSignal signal)
    {
        _transcript.Write("rig", $"{Name}: {signal} to process {Id}");
        // A process that is gone already is what the sender wanted, or will be noticed by who waits for it.
        _ = Kill(Id, (int)signal);
    }

    /// <summary>Waits for the end and gives the exit status (128 and the signal's number when a signal ended it).</summary>
    /// <exception cref="GuestException">It was still running when the time was up.</exception>
    public int WaitForExit(TimeSpan timeout)
    {
        if (!_process.WaitForExit(timeout))
        {
            throw new GuestException(
                $"{Name} (process {Id}) did not end within {timeout.TotalSeconds} s.",
                _transcript
            );
        }

        // Again without a limit: this one also waits until the output was read to its end.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <summary>Waits for a line on standard output.</summary>
    /// <exception cref="GuestException">The time was up, or the program ended without it.</exception>
    public string WaitForOutput(string part, TimeSpan timeout)
    {
        int number = _output.WaitFor(
            line => line.Contains(part, StringComparison.OrdinalIgnoreCase),
            first: 0,
            timeout: timeout
        );
        if (number < 0)
        {
            string what = HasExited
                ? $"ended with status {_process.ExitCode}"
                : $"was silent for {timeout.TotalSeconds} s";
            throw new GuestException($"{Name} {what} when '{part}' was expected on its output.", _transcript);
        }

        return _output.Lines(number, number + 1)[0];
    }

    /// <summary>Ends it at once if it still runs.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Signal(UnixSignal.Kill);
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    private void Begin()
    {
        _process.OutputDataReceived += (_, line) => Receive(line.Data, _output);
        _process.ErrorDataReceived += (_, line) => Receive(line.Data, _errors);
        using var started = new ManualResetEventSlim();
        Exception? failure = null;
        Starts.Add(() =>
        {
            try
            {
                _process.Start();
            }
            catch (Exception exception)
            {
                failure = exception;
            }

            started.Set();
        });
        started.Wait();
        if (failure is not null)
        {
            throw new GuestException($"{Name} cannot be started: {failure.Message}", _transcript);
        }

        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    private void Receive(string? line, LineLog log)
    {
        if (line is null)
        {
            log.Close();
            return;
        }

        _transcript.Write(Name, line);
        log.Append(line);
    }

    private static string Quote(string argument) =>
        argument.Length > 0 && argument.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./=,:+".Contains(letter))
            ? argument
            : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static BlockingCollection<Action> StartStarter()
    {
        var starts = new BlockingCollection<Action>();
        var starter = new Thread(() =>
        {
            foreach (Action start in starts.GetConsumingEnumerable())
            {
                start();
            }
        })
        {
            IsBackground = true,
            Name = "rig starter",
        };
        starter.Start();
        return starts;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
