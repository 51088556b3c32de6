using System.Buffers.Binary;
using System.CommandLine;
using System.Text;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux;
using Vireo.Linux.Vhost;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo proxy vhost-scsi</c>: a SCSI target of the kernel's.</summary>
internal sealed class VhostScsiCommand : DeviceCommand
{
    private const string Node = "/dev/vhost-scsi";
    private const ushort QueueSizeMax = 128;

    /// <summary>VIRTIO 1.4 §5.6.4.</summary>
    private const int ConfigBytes = 36;

    /// <summary>Data segments of a command: a queue's descriptors but those of header and status.</summary>
    private const uint SegmentsMax = QueueSizeMax - 2;

    private const uint SectorsMax = ushort.MaxValue;
    private const uint EventBytes = 16;
    private const uint SenseBytes = 96;
    private const uint CommandBytes = 32;
    private const ushort TargetMax = 255;
    private const uint UnitMax = 16383;

    private readonly Option<string> _target = new("--target")
    {
        Description = "The target: its name below /sys/kernel/config/target/vhost.",
        HelpName = "WWPN",
        Required = true,
    };

    private readonly Option<int> _requestQueues = new("--request-queues")
    {
        Description = $"Queues for requests, from 1 to {VhostScsiRings.RequestRingsMax}.",
        HelpName = "COUNT",
        DefaultValueFactory = static _ => 1,
    };

    /// <inheritdoc/>
    public override string Name => "vhost-scsi";

    /// <inheritdoc/>
    public override string Summary => "Offer a SCSI target of the kernel in another home.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("scsi");

    /// <inheritdoc/>
    public override string Examples =>
        """
              A target of the kernel, which targetcli or configfs has made, over vhost-user:
                modprobe vhost_scsi
                vireo proxy vhost-scsi --target naa.600140554cf3a18e --vhost-user /tmp/scsi.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=s,path=/tmp/scsi.sock -device vhost-user-scsi-pci,chardev=s,num_queues=1 ...
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        string target = result.GetRequiredValue(_target);
        if (
            Encoding.UTF8.GetByteCount(target) is 0 or > VhostScsiRings.TargetBytesMax
            || target.Contains('\0', StringComparison.Ordinal)
        )
        {
            throw new CommandException(
                $"--target is '{target}', but the name of a target has 1 to {VhostScsiRings.TargetBytesMax} bytes",
                ExitCode.Usage
            );
        }

        int requestQueues = result.GetValue(_requestQueues);
        if (requestQueues is < 1 or > VhostScsiRings.RequestRingsMax)
        {
            throw new CommandException(
                $"--request-queues is {requestQueues}, but has to be from 1 to {VhostScsiRings.RequestRingsMax}",
                ExitCode.Usage
            );
        }

        try
        {
            return new(VhostKernelProxy.Open(Node, Describe(target, requestQueues)), target, backend: null);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            throw new CommandException($"{Node} is not there; load the kernel's module with 'modprobe vhost_scsi'");
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command)
    {
        command.Add(_target);
        command.Add(_requestQueues);
    }

    private static VhostKernelDescription Describe(string target, int requestQueues)
    {
        List<QueueTraits> queues = [new("control", QueueSizeMax), new("event", QueueSizeMax)];
        for (int index = 0; index < requestQueues; index++)
        {
            queues.Add(new($"request {index}", QueueSizeMax));
        }

        byte[] config = new byte[ConfigBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(config, (uint)requestQueues);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(4), SegmentsMax);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(8), SectorsMax);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(12), QueueSizeMax);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(16), EventBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(20), SenseBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(24), CommandBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(config.AsSpan(30), TargetMax);
        BinaryPrimitives.WriteUInt32LittleEndian(config.AsSpan(32), UnitMax);
        return new()
        {
            Type = DeviceType.Scsi,
            Queues = queues,
            Config = config,
            Rings = new VhostScsiRings(target, requestQueues),
        };
    }
}
