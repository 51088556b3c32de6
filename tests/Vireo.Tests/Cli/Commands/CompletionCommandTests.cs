using System.Diagnostics;
using Vireo.Cli;

namespace Vireo.Tests.Cli.Commands;

public sealed class CompletionCommandTests
{
    [Theory]
    [InlineData("bash", "complete ")]
    [InlineData("zsh", "compadd ")]
    [InlineData("fish", "complete --command vireo")]
    public void Completion_KnownShell_PrintsItsScript(string shell, string part)
    {
        var run = CommandRun.Of("completion", shell);

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Completion_UnknownShell_Fails() =>
        Assert.Equal(ExitCode.Usage, CommandRun.Of("completion", "csh").ExitCode);

    [Theory]
    [InlineData("vireo entr", "entropy")]
    [InlineData("vireo entropy --socket-p", "--socket-path")]
    [InlineData("vireo entropy --log-level d", "debug")]
    [InlineData("vireo describe ", "entropy")]
    public void Bash_Completes(string line, string expected)
    {
        // The words as readline splits them, and the program itself from the folder of the tests.
        string test = $$"""
            PATH="$1:$PATH"
            eval "$(vireo completion bash)"
            COMP_LINE="$2" COMP_POINT=${#2}
            read -r -a COMP_WORDS <<<"$2"
            [ "${2: -1}" != ' ' ] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _vireo
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        var start = new ProcessStartInfo("bash", ["-c", test, "bash", AppContext.BaseDirectory, line])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };

        using Process process = Process.Start(start)!;
        string[] answers = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Contains(expected, answers, StringComparer.Ordinal);
        Assert.All(
            answers,
            answer => Assert.StartsWith(line[(line.LastIndexOf(' ') + 1)..], answer, StringComparison.Ordinal)
        );
    }
}
