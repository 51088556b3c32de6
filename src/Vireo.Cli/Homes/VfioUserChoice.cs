using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Logging;
using Vireo.Cli.Configuration;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.VfioUser;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Homes;

/// <summary><c>--vfio-user</c>: the device is a complete PCI function, in a process of its own beside the virtual machine.</summary>
/// <param name="socket">Where the socket comes from; shared with other homes that live on one.</param>
internal sealed class VfioUserChoice(SocketOptions socket) : HomeChoice
{
    private const int VectorsMax = 2048;

    private readonly Option<string?> _path = new("--vfio-user")
    {
        Description = "Serve the vfio-user protocol on this socket, or on that of --fd.",
        HelpName = "SOCKET",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<RingChoice> _ring = Accept.Choice(
        "--ring",
        "The rings offered to the driver, which may take split ones whatever is offered.",
        ("packed", RingChoice.Packed),
        ("split", RingChoice.Split)
    );

    private readonly Option<int?> _vectors = Accept.OptionalNumber(
        "--vectors",
        "MSI-X vectors of the function, 0 for none; default: one for each queue and one more.",
        least: 0,
        VectorsMax
    );

    private readonly Option<bool> _hasAdminQueue = new("--admin-queue")
    {
        Description =
            "With --vfio-user: add an administration virtqueue, for capabilities and the device's state in parts.",
    };

    /// <inheritdoc/>
    public override string Usage => "--vfio-user SOCKET";

    /// <inheritdoc/>
    public override void AddTo(Command command)
    {
        command.Add(_path);
        command.Add(_ring);
        command.Add(_vectors);
        command.Add(_hasAdminQueue);
        command.Validators.Add(CheckHome);
    }

    /// <inheritdoc/>
    public override bool IsChosen(ParseResult result) => result.GetResult(_path) is OptionResult { Implicit: false };

    /// <inheritdoc/>
    public override IServedHome Open(VirtioDevice device, EventLoopGroup loops, ParseResult result, ILogger logger)
    {
        string? path = result.GetValue(_path);
        socket.Check(result, path);
        if (socket.IsConnecting(result))
        {
            throw new CommandException(
                "--connect is for --vhost-user; with --vfio-user the device listens and the virtual machine connects",
                ExitCode.Usage
            );
        }

        var options = new VfioUserOptions
        {
            Logger = logger,
            SocketMode = socket.ModeOf(result),
            SocketGroupId = socket.GroupOf(result),
            Vectors = result.GetValue(_vectors),
            HasAdminQueue = result.GetValue(_hasAdminQueue),
            Features =
                result.GetValue(_ring) == RingChoice.Split
                    ? VfioUserOptions.FeaturesUsual.Without(CoreFeature.RingPacked)
                    : VfioUserOptions.FeaturesUsual,
        };
        if (path is not null)
        {
            return new VfioUserServed(Listen(path, device, loops, options), $"on {path}");
        }

        if (!socket.HasInherited(result))
        {
            throw new CommandException(
                "--vfio-user needs the path of a socket, or --fd FDNUM beside it",
                ExitCode.Usage
            );
        }

        InheritedDescriptor inherited = socket.TakeInherited(result);
        return inherited.IsListening
            ? new VfioUserServed(
                VfioUserHome.Serve(inherited.ToListener(), device, loops, options),
                "on an inherited socket"
            )
            : new VfioUserServed(
                VfioUserHome.Serve(inherited.ToChannel(), device, loops, options),
                "on an inherited connection"
            );
    }

    private void CheckHome(CommandResult result)
    {
        if (result.GetResult(_path) is { Implicit: false })
        {
            return;
        }

        if (result.GetResult(_ring) is { Implicit: false })
        {
            result.AddError("--ring goes with --vfio-user; with --vhost-user the front-end decides (QEMU: packed=on)");
        }

        if (result.GetResult(_hasAdminQueue) is { Implicit: false })
        {
            result.AddError("--admin-queue goes with --vfio-user; other homes have none");
        }

        if (result.GetResult(_vectors) is { Implicit: false })
        {
            result.AddError(
                "--vectors goes with --vfio-user; with --vhost-user the front-end decides (QEMU: vectors=N)"
            );
        }
    }

    private static VfioUserHome Listen(string path, VirtioDevice device, EventLoopGroup loops, VfioUserOptions options)
    {
        try
        {
            return VfioUserHome.Listen(path, device, loops, options);
        }
        catch (LinuxException exception)
        {
            throw SocketOptions.Explain(exception, path);
        }
    }

    private sealed class VfioUserServed(VfioUserHome home, string place) : IServedHome
    {
        public string Place => place;

        public void Run() => home.Run();

        public void Stop() => home.Stop();

        public void Dispose() => home.Dispose();
    }
}
