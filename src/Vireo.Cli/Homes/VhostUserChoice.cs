using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Homes.VhostUser;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Homes;

/// <summary><c>--vhost-user</c>: the device is a vhost-user back-end, in a process of its own beside the virtual machine.</summary>
/// <param name="socket">Where the socket comes from; shared with other homes that live on one.</param>
internal sealed class VhostUserChoice(SocketOptions socket) : HomeChoice
{
    private readonly Option<string?> _path = new("--vhost-user", "--socket-path")
    {
        Description = "Serve the vhost-user protocol on this socket; the path is used exactly as given.",
        HelpName = "SOCKET",
    };

    /// <inheritdoc/>
    public override string Usage => "--vhost-user SOCKET";

    /// <inheritdoc/>
    public override void AddTo(Command command) => command.Add(_path);

    /// <inheritdoc/>
    public override bool IsChosen(ParseResult result) => result.GetValue(_path) is not null;

    /// <inheritdoc/>
    /// <remarks>By QEMU's convention for back-ends, <c>--fd</c> alone says it all.</remarks>
    public override bool IsMeantOtherwise(ParseResult result) => socket.HasInherited(result);

    /// <inheritdoc/>
    public override IServedHome Open(VirtioDevice device, EventLoopGroup loops, ParseResult result, ILogger logger)
    {
        string? path = result.GetValue(_path);
        socket.Check(result, path);
        var options = new VhostUserOptions
        {
            Logger = logger,
            SocketMode = socket.ModeOf(result),
            SocketGroupId = socket.GroupOf(result),
        };
        if (path is not null)
        {
            return socket.IsConnecting(result)
                ? new VhostUserServed(VhostUserHome.Connect(path, device, loops, options), $"connecting to {path}")
                : new VhostUserServed(Listen(path, device, loops, options), $"on {path}");
        }

        InheritedDescriptor inherited = socket.TakeInherited(result);
        return inherited.IsListening
            ? new VhostUserServed(
                VhostUserHome.Serve(inherited.ToListener(), device, loops, options),
                "on an inherited socket"
            )
            : new VhostUserServed(
                VhostUserHome.Serve(inherited.ToChannel(), device, loops, options),
                "on an inherited connection"
            );
    }

    private static VhostUserHome Listen(
        string path,
        VirtioDevice device,
        EventLoopGroup loops,
        VhostUserOptions options
    )
    {
        try
        {
            return VhostUserHome.Listen(path, device, loops, options);
        }
        catch (LinuxException exception)
        {
            throw SocketOptions.Explain(exception, path);
        }
    }

    private sealed class VhostUserServed(VhostUserHome home, string place) : IServedHome
    {
        public string Place => place;

        public void Run() => home.Run();

        public void Stop() => home.Stop();

        public void Dispose() => home.Dispose();
    }
}
