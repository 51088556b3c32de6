using System.CommandLine;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;
using Vireo.Cli.Inspect;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo inspect</c>: what a vhost-user back-end, ours or not, says about itself.</summary>
internal static class InspectCommand
{
    private const int UsualTimeoutSeconds = 5;
    private const int TimeoutSecondsMax = 3600;

    private const string Examples = """
          What a disk's back-end offers, and its size:
            vireo inspect /tmp/disk.sock --as block
          The same for a program:
            vireo inspect /tmp/disk.sock --as block --json
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var path = new Argument<string>("SOCKET") { Description = "The socket that the back-end listens on." };
        var type = new Option<string?>("--as")
        {
            Description = "The device type, which the protocol cannot tell: names features and fields.",
            HelpName = "TYPE",
        };
        type.CompletionSources.Add(_ => TypeNames());
        type.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && DeviceDescription.Find(result.Tokens[0].Value) is null)
            {
                result.AddError(
                    $"--as is '{result.Tokens[0].Value}', but has to be one of {string.Join(", ", TypeNames())}"
                );
            }
        });
        Option<int> timeout = Accept.Number(
            "--timeout",
            "How many seconds the back-end has for each answer.",
            least: 1,
            TimeoutSecondsMax,
            UsualTimeoutSeconds
        );
        var isJson = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new DocumentedCommand(
            "inspect",
            "Connect to a vhost-user back-end, and print what it offers and what is unusual about it.",
            Examples
        )
        {
            path,
            type,
            timeout,
            isJson,
        };
        command.SetAction(result =>
        {
            DeviceDescription? device = result.GetValue(type) is { } name ? DeviceDescription.Find(name) : null;
            BackEndReport report = BackEndInspector.Inspect(
                result.GetRequiredValue(path),
                device,
                TimeSpan.FromSeconds(result.GetValue(timeout))
            );
            if (result.GetValue(isJson))
            {
                ReportJson.Write(report, context.Output);
            }
            else
            {
                ReportText.Write(report, context.Output);
            }
        });
        return command;
    }

    private static IEnumerable<string> TypeNames()
    {
        foreach (DeviceDescription device in DeviceDescription.All)
        {
            yield return device.Name;
        }
    }
}
