using System.CommandLine;
using Vireo.Cli;
using Vireo.Cli.Commands;

namespace Vireo.Tests.Cli.Help;

/// <summary>Examples are there to be copied: each of them must be understood.</summary>
public sealed class ExampleTests
{
    public static TheoryData<string> Commands => [.. CreateRoot().Subcommands.Select(command => command.Name)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Help_EndsWithExamplesThatParse(string name)
    {
        var help = CommandRun.Of(name, "--help");

        Assert.Equal(ExitCode.Success, help.ExitCode);
        string examples = help.Output[help.Output.IndexOf("Examples:", StringComparison.Ordinal)..];
        List<string> lines = VireoLines(examples);
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Empty(CreateRoot().Parse(line).Errors));
    }

    [Fact]
    public void RootHelp_EndsWithExamplesThatParse()
    {
        var help = CommandRun.Of("--help");

        List<string> lines = VireoLines(help.Output[help.Output.IndexOf("Examples:", StringComparison.Ordinal)..]);
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Empty(CreateRoot().Parse(line).Errors));
    }

    [Fact]
    public void DeviceHelp_ShowsTheMatchingQemuLine() =>
        Assert.All(
            DeviceCatalog.All,
            // A network card is an ordinary device of QEMU's whose network is the back-end.
            device => Assert.Matches("-device vhost-user-|-netdev vhost-user,", device.Examples)
        );

    private static RootCommand CreateRoot() =>
        CommandLine.Create(new CommandContext(TextWriter.Null, TextWriter.Null, _ => null));

    /// <summary>The words after "vireo" of each example, without what the shell takes for itself.</summary>
    private static List<string> VireoLines(string examples)
    {
        List<string> lines = [];
        foreach (string line in examples.Split('\n'))
        {
            string command = line.Trim().Split(" > ")[0].Split(" | ")[^1];
            if (command.StartsWith("vireo ", StringComparison.Ordinal))
            {
                lines.Add(command["vireo ".Length..]);
            }
        }

        return lines;
    }
}
