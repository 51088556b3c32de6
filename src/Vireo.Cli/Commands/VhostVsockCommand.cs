using System.Buffers.Binary;
using System.CommandLine;
using Vireo.Core.Spec;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux;
using Vireo.Linux.Vhost;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo proxy vhost-vsock</c>: the kernel's own vsock device.</summary>
internal sealed class VhostVsockCommand : DeviceCommand
{
    private const string Node = "/dev/vhost-vsock";

    private readonly Option<uint> _contextId = new("--cid")
    {
        Description = "Address of the guest, from 3.",
        HelpName = "NUMBER",
    };

    /// <inheritdoc/>
    public override string Name => "vhost-vsock";

    /// <inheritdoc/>
    public override string Summary => "Offer the kernel's sockets between host and guest in another home.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("vsock");

    /// <inheritdoc/>
    public override string Examples =>
        """
              Sockets for a guest with the address 42, over vhost-user:
                modprobe vhost_vsock
                vireo proxy vhost-vsock --cid 42 --vhost-user /tmp/vsock.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=v,path=/tmp/vsock.sock -device vhost-user-vsock-pci,chardev=v ...
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        uint contextId = result.GetValue(_contextId);
        if (contextId < VhostSocketRings.ContextIdMin || contextId == uint.MaxValue)
        {
            throw new CommandException(
                $"--cid is {contextId}, but has to be from {VhostSocketRings.ContextIdMin} to {uint.MaxValue - 1}",
                ExitCode.Usage
            );
        }

        byte[] config = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(config, contextId);
        VhostKernelDescription description = new()
        {
            Type = DeviceType.Vsock,
            Queues = [new("rx", 128), new("tx", 128), new("event", 128)],
            Config = config,
            Rings = new VhostSocketRings(contextId),
        };
        try
        {
            return new(VhostKernelProxy.Open(Node, description), $"{contextId}", backend: null);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            throw new CommandException($"{Node} is not there; load the kernel's module with 'modprobe vhost_vsock'");
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command) => command.Add(_contextId);
}
