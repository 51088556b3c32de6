using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Vireo.Cli.Help;

/// <summary>Prints the usual help, then the command's examples.</summary>
internal sealed class TeachingHelpAction(HelpAction usual) : SynchronousCommandLineAction
{
    private const string RootExamples = """
        Give a running guest a disk:
          vireo block disk.raw --vhost-user /tmp/disk.sock
        Start a Linux guest whose devices are Vireo processes:
          vireo demo
        """;

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int exitCode = usual.Invoke(parseResult);
        string examples = parseResult.CommandResult.Command switch
        {
            DocumentedCommand command => command.Examples,
            RootCommand => RootExamples,
            _ => "",
        };
        if (examples.Length > 0)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            output.WriteLine(examples);
        }

        return exitCode;
    }
}
