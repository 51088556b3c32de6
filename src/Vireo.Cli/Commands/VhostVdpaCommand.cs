using System.CommandLine;
using Vireo.Homes.Vhost.Vdpa;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo proxy vhost-vdpa</c>: a device on this host's vDPA bus.</summary>
internal sealed class VhostVdpaCommand : DeviceCommand
{
    private readonly Argument<string> _node = new("NODE")
    {
        Description = "The device's node, /dev/vhost-vdpa-N; 'vireo vdpa show' names it.",
    };

    /// <inheritdoc/>
    public override string Name => "vhost-vdpa";

    /// <inheritdoc/>
    public override string Summary => "Offer a device on this host's vDPA bus in another home.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("vhost-vdpa");

    /// <inheritdoc/>
    public override string Examples =>
        """
              A disk on the bus, for qemu-io over vhost-user:
                vireo proxy vhost-vdpa /dev/vhost-vdpa-0 --vhost-user /tmp/disk.sock
                qemu-io --image-opts driver=virtio-blk-vhost-user,path=/tmp/disk.sock,cache.direct=on
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        string node = result.GetRequiredValue(_node);
        if (node.Length == 0)
        {
            throw new CommandException("the node of the device is empty", ExitCode.Usage);
        }

        // Watches the bus; its own, because queues of a proxy run on none.
        var loops = EventLoopGroup.Start(1, new EventLoopOptions { Name = "vdpa" });
        try
        {
            return new(VhostVdpaProxy.Open(node, new() { Loop = loops[0] }), node, loops);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            loops.Dispose();
            throw new CommandException(
                $"'{node}' is not there; put a device on the bus with the module vhost_vdpa loaded, see 'vireo vdpa show'"
            );
        }
        catch (LinuxException exception) when (exception.Error == Errno.EBUSY)
        {
            loops.Dispose();
            throw new CommandException($"another process uses '{node}'");
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command) => command.Add(_node);
}
