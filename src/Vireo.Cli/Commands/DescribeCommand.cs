using System.Buffers;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands;

/// <summary>Prints the file by which managers of virtual machines find a back-end (QEMU's vhost-user.json).</summary>
internal static class DescribeCommand
{
    private const string Examples = """
          Let libvirt and others find the block device of this installation:
            vireo describe block > ~/.config/qemu/vhost-user/50-vireo-block.json
          For a package that installs into /usr/bin:
            vireo describe block --bin /usr/bin
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var name = new Argument<string>("DEVICE") { Description = "The device: the name of its command." };
        List<string> names = [];
        foreach (DeviceCommand device in DeviceCatalog.All)
        {
            names.Add(device.Name);
        }

        name.AcceptOnlyFromAmong([.. names]);
        var folder = new Option<string?>("--bin")
        {
            Description = "The folder of the installed program; default: where this one runs from.",
            HelpName = "FOLDER",
        };
        var command = new DocumentedCommand(
            "describe",
            "Print the JSON file by which libvirt and others find a device's program.",
            Examples
        )
        {
            name,
            folder,
        };
        command.SetAction(result =>
        {
            DeviceCommand device = DeviceCatalog.Find(result.GetRequiredValue(name))!;
            string binary = result.GetValue(folder) is { } chosen
                ? Path.Combine(Path.GetFullPath(chosen), DeviceCatalog.LinkFor(device))
                : OwnLink(device);
            context.Output.Write(Describe(device, binary));
        });
        return command;
    }

    /// <summary>The content of the file, ending in a line end.</summary>
    /// <param name="device">The device.</param>
    /// <param name="binary">The absolute path by which the device's program is started.</param>
    public static string Describe(DeviceCommand device, string binary)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("description", $"Vireo {device.Name} device");
            json.WriteString("type", device.Capabilities.Type);
            json.WriteString("binary", binary);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    private static string OwnLink(DeviceCommand device)
    {
        string folder = Path.GetDirectoryName(Environment.ProcessPath) ?? "/";
        string link = Path.Combine(folder, DeviceCatalog.LinkFor(device));
        if (!File.Exists(link))
        {
            throw new CommandException(
                $"'{link}' is missing, the path by which managers start this device; make it with 'ln -s vireo {link}' or name another folder with --bin"
            );
        }

        return link;
    }
}
