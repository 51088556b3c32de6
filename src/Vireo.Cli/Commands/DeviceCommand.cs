using System.CommandLine;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;
using Vireo.Cli.Homes;

namespace Vireo.Cli.Commands;

/// <summary>The command that serves one device type.</summary>
/// <remarks>To add a device: derive from this, and name it in <see cref="DeviceCatalog"/>. Every home works at once.</remarks>
internal abstract class DeviceCommand
{
    /// <summary>The word on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>What the device is, in one sentence.</summary>
    public abstract string Summary { get; }

    /// <summary>What the device answers to <c>--print-capabilities</c>.</summary>
    public abstract BackendCapabilities Capabilities { get; }

    /// <summary>Lines to copy, each with a line above it that says what it does; the QEMU line among them.</summary>
    public abstract string Examples { get; }

    /// <summary>Makes the command with its own options and those of all devices and homes.</summary>
    /// <param name="context">The process around it.</param>
    public Command ToCommand(CommandContext context)
    {
        var command = new DocumentedCommand(Name, Summary, Examples);
        AddOptions(command);
        IReadOnlyList<HomeChoice> homes = HomeCatalog.AddAllTo(command);
        var options = new ServeOptions();
        options.AddTo(command);
        command.SetAction(result => new Server(this, homes, options, context).Run(result));
        return command;
    }

    /// <summary>Makes the device that the command line describes.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="resources">What the device's backend may use.</param>
    /// <returns>The device; the caller's.</returns>
    /// <exception cref="CommandException">What the command line asks for makes no sense.</exception>
    /// <exception cref="IOException">The host does not have what the command line asks for.</exception>
    public abstract ServedDevice Open(ParseResult result, DeviceResources resources);

    /// <summary>Adds what only this device has to say.</summary>
    protected abstract void AddOptions(Command command);
}
