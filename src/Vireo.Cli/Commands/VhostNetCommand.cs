using System.CommandLine;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux;
using Vireo.Linux.Net;
using Vireo.Linux.Vhost;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo proxy vhost-net</c>: the kernel's own network card, on a tap.</summary>
internal sealed class VhostNetCommand : DeviceCommand
{
    private const string Node = "/dev/vhost-net";
    private const ushort QueueSizeMax = 1024;

    /// <summary>As far as the configuration space goes without further features (VIRTIO 1.4 §5.1.4): address, state, pairs, MTU.</summary>
    private const int ConfigBytes = 12;

    private readonly Option<string> _tap = new("--tap")
    {
        Description =
            "Plug into this interface of the host; it is made, and brought up, if there is none of that name.",
        HelpName = "NAME",
        Required = true,
    };

    private readonly Option<string?> _mac = new("--mac")
    {
        Description = "The address, such as 52:54:00:12:34:56; QEMU sets its own over vhost-user.",
        HelpName = "ADDRESS",
    };

    /// <inheritdoc/>
    public override string Name => "vhost-net";

    /// <inheritdoc/>
    public override string Summary => "Offer the kernel's network card on a tap in another home.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("net");

    /// <inheritdoc/>
    public override string Examples =>
        """
              A card whose packets go between guest and kernel directly, over vhost-user:
                modprobe vhost_net
                vireo proxy vhost-net --tap tap0 --vhost-user /tmp/net.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=net,path=/tmp/net.sock -netdev vhost-user,id=net0,chardev=net -device virtio-net-pci,netdev=net0 ...
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        string name = result.GetRequiredValue(_tap);
        if (System.Text.Encoding.UTF8.GetByteCount(name) is 0 or > TapDevice.NameBytesMax)
        {
            throw new CommandException(
                $"--tap is '{name}', but the name of an interface has 1 to {TapDevice.NameBytesMax} bytes",
                ExitCode.Usage
            );
        }

        MacAddress? mac = NetCommand.ParseMac(result.GetValue(_mac));
        TapDevice tap = OpenTap(name);
        try
        {
            return new(VhostKernelProxy.Open(Node, Describe(tap, mac)), tap.Name, tap);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            tap.Dispose();
            throw new CommandException($"{Node} is not there; load the kernel's module with 'modprobe vhost_net'");
        }
        catch
        {
            tap.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command)
    {
        command.Add(_tap);
        command.Add(_mac);
    }

    private static VhostKernelDescription Describe(TapDevice tap, MacAddress? mac)
    {
        // The header of a packet that is sent goes to the tap as it is, and a tap does what it says.
        var features = FeatureSet.Of(NetFeatures.Checksum, NetFeatures.HostTso4, NetFeatures.HostTso6);
        byte[] config = new byte[ConfigBytes];
        if (mac is { } address)
        {
            address.Write(config);
            features = features.With(NetFeatures.Mac);
        }

        return new()
        {
            Type = DeviceType.Net,
            Queues = [new("rx", QueueSizeMax), new("tx", QueueSizeMax)],
            Config = config,
            Features = features,
            // Segmentation inside UDP tunnels: headers are longer with it, and the tap has to know.
            WithheldFeatures = FeatureSet.Of(65, 66, 67, 68),
            Rings = new VhostTapRings(tap.Handle),
        };
    }

    private static TapDevice OpenTap(string name)
    {
        TapDevice? tap = null;
        try
        {
            bool isOurs = !NetInterface.Exists(name);
            tap = TapDevice.Open(name, isMultiQueue: false);
            tap.SetHeaderLength(NetHeader.LengthBytes);
            if (isOurs)
            {
                NetInterface.SetUp(tap.Name);
            }

            return tap;
        }
        catch (LinuxException exception)
        {
            tap?.Dispose();
            throw NetCommand.Explain(exception, name, pairCount: 1);
        }
    }
}
