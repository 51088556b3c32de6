using System.ComponentModel;
using System.Diagnostics;

namespace Vireo.Tests.Abi;

/// <summary>The C compiler of the machine.</summary>
internal static class CCompiler
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Compiles a source, without making anything of it.</summary>
    /// <returns>The errors; empty when there are none.</returns>
    public static string Check(string source)
    {
        ProcessStartInfo start = new("gcc", ["-std=gnu11", "-fsyntax-only", "-x", "c", "-"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
            Environment = { ["LC_ALL"] = "C" },
        };
        using Process compiler = Start(start);
        // gcc reads everything before it writes a word, so one after the other cannot block.
        compiler.StandardInput.Write(source);
        compiler.StandardInput.Close();
        string output = compiler.StandardError.ReadToEnd();
        Assert.True(compiler.WaitForExit(Patience), "gcc did not end in time");
        Assert.False(
            output.Contains("No such file or directory", StringComparison.Ordinal),
            $"a C header is missing; install the packages libc6-dev and linux-libc-dev:\n{output}"
        );
        return compiler.ExitCode == 0 ? "" : output;
    }

    /// <summary>Makes a shared library.</summary>
    /// <param name="source">The source file.</param>
    /// <param name="library">The library's path.</param>
    /// <param name="options">More options, such as definitions.</param>
    public static void MakeLibrary(string source, string library, params string[] options)
    {
        ProcessStartInfo start = new(
            "gcc",
            [
                "-std=gnu11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
                "-pthread",
                "-o",
                library,
                source,
                .. options,
            ]
        )
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            Environment = { ["LC_ALL"] = "C" },
        };
        using Process compiler = Start(start);
        string output = compiler.StandardError.ReadToEnd();
        Assert.True(compiler.WaitForExit(Patience), "gcc did not end in time");
        Assert.True(compiler.ExitCode == 0, output);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new InvalidOperationException("gcc cannot be started; install the package gcc", exception);
        }
    }
}
