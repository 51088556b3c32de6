using System.CommandLine;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo proxy</c>: somebody else's device, such as the kernel's, in any home.</summary>
internal static class ProxyCommand
{
    private const string Examples = """
          A device on this host's vDPA bus, for a virtual machine that only knows vhost-user:
            vireo proxy vhost-vdpa /dev/vhost-vdpa-0 --vhost-user /tmp/disk.sock
          The kernel's network card on a tap, behind a socket:
            vireo proxy vhost-net --tap tap0 --vhost-user /tmp/net.sock
          Sockets between this host and a guest, carried by the kernel:
            vireo proxy vhost-vsock --cid 42 --vhost-user /tmp/vsock.sock
          A SCSI target of the kernel:
            vireo proxy vhost-scsi --target naa.600140554cf3a18e --vhost-user /tmp/scsi.sock
        """;

    /// <summary>Makes the command.</summary>
    /// <param name="context">The process around it.</param>
    public static Command Create(CommandContext context) =>
        new DocumentedCommand("proxy", "Offer a device that the kernel or a card implements in another home.", Examples)
        {
            new VhostVdpaCommand().ToCommand(context),
            new VhostNetCommand().ToCommand(context),
            new VhostVsockCommand().ToCommand(context),
            new VhostScsiCommand().ToCommand(context),
        };
}
