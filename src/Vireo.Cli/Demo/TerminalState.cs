using System.Diagnostics;
using System.Globalization;

namespace Vireo.Cli.Demo;

/// <summary>Keeps how the terminal was, and makes it so again: a guest's console leaves it raw when its machine is killed.</summary>
internal sealed class TerminalState : IDisposable
{
    private readonly string? _settings;

    private TerminalState(string? settings) => _settings = settings;

    /// <summary>Notes how the terminal is.</summary>
    /// <param name="isInteractive">False to note nothing, because there is no terminal.</param>
    public static TerminalState Save(bool isInteractive) => new(isInteractive ? RunStty("-g") : null);

    /// <summary>A line for the guest's shell: a serial line does not tell how large the terminal is.</summary>
    public static string SizeCommand()
    {
        string rows = Console.WindowHeight.ToString(CultureInfo.InvariantCulture);
        string columns = Console.WindowWidth.ToString(CultureInfo.InvariantCulture);
        return $"stty rows {rows} cols {columns} 2>/dev/null\n";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_settings is { Length: > 0 })
        {
            RunStty(_settings);
        }
    }

    private static string RunStty(string argument)
    {
        var start = new ProcessStartInfo("stty", [argument]) { UseShellExecute = false, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : "";
    }
}
