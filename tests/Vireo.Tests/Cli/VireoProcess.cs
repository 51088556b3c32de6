using System.Diagnostics;
using System.Text;
using Vireo.Linux.Processes;

namespace Vireo.Tests.Cli;

/// <summary>The built program as a process of its own.</summary>
internal sealed class VireoProcess : IDisposable
{
    /// <summary>Long enough for the busiest machine; nothing here waits for it when all is well.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly StringBuilder _error = new();

    private VireoProcess(Process process) => _process = process;

    /// <summary>The program, beside the tests.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "vireo");

    /// <summary>What it has written to standard error. Complete after <see cref="WaitForEnd"/>.</summary>
    public string Error
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    public int Id => _process.Id;

    public static VireoProcess Start(params IReadOnlyList<string> arguments) => StartProgram(Program, [], arguments);

    /// <summary>Starts by way of a shell, which has <c>"$@"</c> for the program and its words.</summary>
    public static VireoProcess StartInShell(string script, params IReadOnlyList<string> arguments) =>
        StartProgram("bash", ["-c", script, "bash", Program], arguments);

    public static VireoProcess StartProgram(
        string program,
        IReadOnlyList<string> first,
        params IReadOnlyList<string> arguments
    )
    {
        var start = new ProcessStartInfo(program, [.. first, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var vireo = new VireoProcess(Process.Start(start)!);
        vireo._process.StandardInput.Close();
        vireo._process.ErrorDataReceived += (_, line) => vireo.Keep(line.Data);
        vireo._process.BeginErrorReadLine();
        return vireo;
    }

    /// <summary>The next line of standard output, such as the one that says ready.</summary>
    public string ReadLine()
    {
        Task<string?> line = _process.StandardOutput.ReadLineAsync();
        Assert.True(line.Wait(Patience), $"nothing on standard output; standard error: {Error}");
        return line.Result ?? $"(end of output; standard error: {Error})";
    }

    public string ReadToEnd() => _process.StandardOutput.ReadToEnd();

    public void Terminate() => ProcessSignal.Terminate(_process.Id);

    /// <summary>Ends it without giving it a chance to clean up.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Waits for its end and gives its exit code.</summary>
    public int WaitForEnd()
    {
        Assert.True(_process.WaitForExit(Patience), $"it did not end; standard error: {Error}");
        // Without a limit this also waits for the end of standard error.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        lock (_error)
        {
            _error.Append(line).Append(line is null ? "" : "\n");
        }
    }
}
