using System.CommandLine;
using Vireo.Cli.Help;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Vdpa;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo vdpa</c>: what is on this host's vDPA bus, adding to it and removing from it.</summary>
internal static class VdpaCommand
{
    private const string Examples = """
          Serve a disk; then, elsewhere, put it on the bus, look, and take it off again:
            vireo block disk.raw --vduse disk0
            vireo vdpa add disk0
            vireo vdpa show
            vireo vdpa del disk0
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context) =>
        new DocumentedCommand("vdpa", "Show this host's vDPA bus, add devices to it and remove them.", Examples)
        {
            CreateAdd(),
            CreateDelete(),
            CreateShow(context),
        };

    private static DocumentedCommand CreateAdd()
    {
        Argument<string> name = NameArgument("The device's name; for VDUSE the one it is served under.");
        var manager = new Option<string>("--manager")
        {
            Description = "Who makes the device, as 'vireo vdpa show' names it.",
            HelpName = "MANAGER",
            DefaultValueFactory = static _ => VdpaBus.VduseManager,
        };
        var command = new DocumentedCommand(
            "add",
            "Put a device on the bus; the driver that was loaded first takes it.",
            """
              For the host itself (/dev/vda), or for a virtual machine (/dev/vhost-vdpa-0):
                modprobe virtio_vdpa && vireo vdpa add disk0
                modprobe vhost_vdpa && vireo vdpa add disk0
            """
        )
        {
            name,
            manager,
        };
        command.SetAction(result =>
        {
            string given = result.GetRequiredValue(name);
            string maker = result.GetRequiredValue(manager);
            using VdpaBus bus = Open();
            try
            {
                bus.Add(given, maker);
            }
            catch (LinuxException exception)
            {
                throw Explain(exception, given, maker);
            }
        });
        return command;
    }

    private static DocumentedCommand CreateDelete()
    {
        Argument<string> name = NameArgument("The device's name.");
        var command = new DocumentedCommand(
            "del",
            "Take a device off the bus; whoever uses it loses it.",
            """
              Unmount what is on it first:
                umount /mnt && vireo vdpa del disk0
            """
        )
        {
            name,
        };
        command.SetAction(result =>
        {
            string given = result.GetRequiredValue(name);
            using VdpaBus bus = Open();
            try
            {
                bus.Delete(given);
            }
            catch (LinuxException exception)
            {
                throw Explain(exception, given, null);
            }
        });
        return command;
    }

    private static DocumentedCommand CreateShow(CommandContext context)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON, one object for each device." };
        var command = new DocumentedCommand(
            "show",
            "Show the devices on the bus: who made them, who drives them, and where they are.",
            """
              For people, and for programs:
                vireo vdpa show
                vireo vdpa show --json
            """
        )
        {
            json,
        };
        command.SetAction(result =>
        {
            using VdpaBus bus = Open();
            IReadOnlyList<VdpaDevice> devices = bus.ListDevices();
            if (result.GetValue(json))
            {
                WriteJson(context.Output, devices);
            }
            else
            {
                WriteTable(context.Output, bus, devices);
            }
        });
        return command;
    }

    private static Argument<string> NameArgument(string description) => new("NAME") { Description = description };

    private static VdpaBus Open()
    {
        try
        {
            return VdpaBus.Open();
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            throw new CommandException("this kernel has no vDPA bus; load its module with 'modprobe vdpa'");
        }
    }

    private static CommandException Explain(LinuxException exception, string name, string? manager) =>
        new(
            exception.Error switch
            {
                Errno.EPERM => "only root (CAP_NET_ADMIN) may change what is on the vDPA bus",
                Errno.EEXIST => $"'{name}' is on the bus already; see 'vireo vdpa show'",
                Errno.ENODEV when manager is null => $"there is no '{name}' on the bus; see 'vireo vdpa show'",
                Errno.ENODEV => $"nobody called '{manager}' makes devices; for VDUSE, 'modprobe vduse' first",
                Errno.EINVAL when manager is VdpaBus.VduseManager =>
                    $"there is no VDUSE device '{name}'; serve it first, with '--vduse {name}'",
                _ => exception.Message,
            }
        );

    private static void WriteTable(TextWriter output, VdpaBus bus, IReadOnlyList<VdpaDevice> devices)
    {
        if (devices.Count == 0)
        {
            output.WriteLine("nothing is on the vDPA bus");
        }

        foreach (VdpaDevice device in devices)
        {
            string type = $"{(DeviceType)device.DeviceId}".ToLowerInvariant();
            string place = device.Place is null ? "no driver" : $"{device.Driver}, {device.Place}";
            output.WriteLine(
                $"{device.Name}: {type}, {device.QueueCount} queues of up to {device.QueueSizeMax}, made by {device.Manager}, {place}"
            );
        }

        foreach (VdpaManager manager in bus.ListManagers())
        {
            output.WriteLine($"manager {manager.Name}: {Types(manager.DeviceIds)}");
        }
    }

    private static string Types(ulong ids)
    {
        List<string> names = [];
        for (int id = 0; id < 64; id++)
        {
            if ((ids >> id & 1) != 0)
            {
                names.Add($"{(DeviceType)id}".ToLowerInvariant());
            }
        }

        return string.Join(", ", names);
    }

    private static void WriteJson(TextWriter output, IReadOnlyList<VdpaDevice> devices)
    {
        foreach (VdpaDevice device in devices)
        {
            output.WriteLine(
                System.Text.Json.JsonSerializer.Serialize(VdpaDeviceJson.From(device), VdpaJson.Default.VdpaDeviceJson)
            );
        }
    }
}
