using Vireo.Cli;

namespace Vireo.Tests.Cli;

/// <summary>What one command line did, run in this process.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    public static CommandRun Of(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = CommandLine.Run(arguments, new CommandContext(output, error, _ => null));
        return new CommandRun(exitCode, output.ToString(), error.ToString());
    }
}
