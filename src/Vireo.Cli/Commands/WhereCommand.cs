using System.CommandLine;
using Vireo.Cli.Help;
using Vireo.Cli.Where;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo where</c>: the homes that this host supports, and how a device is attached in each.</summary>
internal static class WhereCommand
{
    private const string Examples = """
          What this host has, and the lines that attach a disk:
            vireo where
          The lines for another device:
            vireo where entropy
        """;

    /// <summary>Makes the command.</summary>
    /// <param name="context">The process around it.</param>
    public static Command Create(CommandContext context)
    {
        var device = new Argument<string>("DEVICE")
        {
            Description = "The device to attach.",
            DefaultValueFactory = static _ => "block",
        };
        foreach (DeviceCommand known in DeviceCatalog.All)
        {
            device.CompletionSources.Add(known.Name);
        }

        var command = new DocumentedCommand(
            "where",
            "Show the homes a device can have on this host, and the lines that attach it in each.",
            Examples
        )
        {
            device,
        };
        command.SetAction(result =>
        {
            string name = result.GetRequiredValue(device);
            if (DeviceCatalog.Find(name) is null)
            {
                throw new CommandException($"there is no device '{name}'; see 'vireo --help'", ExitCode.Usage);
            }

            HostReport.Write(context.Output, HostFacts.Read());
            AttachLines.Write(context.Output, name);
        });
        return command;
    }
}
