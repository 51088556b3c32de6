using System.CommandLine;
using System.CommandLine.Parsing;
using Vireo.Backends.Net.Null;
using Vireo.Backends.Net.Tap;
using Vireo.Cli.Configuration;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Net;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo net</c>: a network card.</summary>
internal sealed class NetCommand : DeviceCommand
{
    private const string Places =
        "one of --tap NAME, --tap-fd FD, "
        + NetInterfacePlaces.Usage
        + ", "
        + NetSocketPlaces.Usage
        + ", --null, --loopback and --generate BYTES";

    /// <summary>The home where the device itself has all its queues.</summary>
    private const string PciHome = "--vfio-user";

    private const int QueueSizeUsual = 256;
    private const int QueueSizeMax = 32768;
    private const int FrameBytesMin = 60;
    private const int MtuMin = 68;

    private readonly NetInterfacePlaces _interfaces = new();
    private readonly NetSocketPlaces _sockets = new();
    private readonly NetPortFilters _filters = new();

    private readonly Option<string?> _tap = new("--tap")
    {
        Description =
            "Plug into this interface of the host; it is made, and brought up, if there is none of that name.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _tapDescriptors = new("--tap-fd")
    {
        Description =
            "Plug into an interface that was opened for this process: one number for each pair of queues, with commas.",
        HelpName = "FD[,FD...]",
    };

    private readonly Option<string?> _bridge = new("--bridge")
    {
        Description = "With --tap: make the interface a port of this bridge.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _null = new("--null")
    {
        Description = "Plug into nothing: every packet is taken, none comes.",
    };

    private readonly Option<bool> _loopback = new("--loopback")
    {
        Description = "Plug into itself: every packet comes back.",
    };

    private readonly Option<int?> _generate = Accept.OptionalNumber(
        "--generate",
        "Plug into a source of packets of this many bytes, as fast as the guest takes them.",
        FrameBytesMin,
        ushort.MaxValue
    );

    private readonly Option<string?> _mac = new("--mac")
    {
        Description = "The address, such as 52:54:00:12:34:56; QEMU sets its own over vhost-user.",
        HelpName = "ADDRESS",
    };

    private readonly Option<int?> _mtu = Accept.OptionalNumber(
        "--mtu",
        "The largest packet in bytes, without the Ethernet header; also that of an interface that is made.",
        MtuMin,
        ushort.MaxValue
    );

    private readonly Option<int> _pairs = Accept.Number(
        "--queue-pairs",
        "Pairs of queues, so that several processors of a guest can work at once; QEMU's queues=N has to be the same.",
        least: 1,
        NetDevice.PairsLimit,
        usual: 1
    );

    private readonly Option<int> _queueSize = Accept.PowerOfTwo(
        "--queue-size",
        "The largest size of a queue the guest may choose.",
        least: 2,
        QueueSizeMax,
        QueueSizeUsual * 4
    );

    private readonly Option<bool> _noOffloads = new("--no-offloads")
    {
        Description = "Exchange finished packets only: whole checksums, nothing to be segmented.",
    };

    private readonly Option<bool> _noMerging = new("--no-mrg-rxbuf")
    {
        Description = "Put each packet into one buffer of the guest.",
    };

    private readonly Option<bool> _hasControl = new("--control-queue")
    {
        Description =
            "Have a control queue: filters, hashes and more. Not for QEMU's vhost-user, which keeps that queue; with --vfio-user and several pairs it is there anyway.",
    };

    private readonly Option<bool> _hasScaling = new("--rss")
    {
        Description = "With --control-queue: let the guest say which queue receives what. All queues share one thread.",
    };

    private readonly Option<bool> _isStandby = new("--standby")
    {
        Description = "With --mac: stand in for another card of this address that the guest is handed, too (failover).",
    };

    private readonly Option<int?> _speed = Accept.OptionalNumber(
        "--speed",
        "The speed in Mbit/s that the guest is told; full duplex.",
        least: 0,
        int.MaxValue
    );

    /// <inheritdoc/>
    public override string Name => "net";

    /// <inheritdoc/>
    public override string Summary => "Serve a network card (virtio net): eth0 in the guest.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("net");

    /// <inheritdoc/>
    public override string Examples =>
        """
              Serve a card that is plugged into a tap of the host, and let a guest use it:
                vireo net --tap tap0 --vhost-user /tmp/net.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=net,path=/tmp/net.sock -netdev vhost-user,id=net0,chardev=net -device virtio-net-pci,netdev=net0 ...
              Two pairs of queues on two threads, on the bridge br0:
                vireo net --tap tap0 --bridge br0 --queue-pairs 2 --threads 2 --vhost-user /tmp/net.sock
              As libvirt and others start it, with an interface that they opened:
                vireo net --socket-path=/tmp/net.sock --tap-fd=5
              The host's network without any privilege or preparation, by passt:
                vireo net --user --vhost-user /tmp/net.sock
              A cable to a QEMU with -netdev stream,id=n,server=off,addr.type=unix,addr.path=/tmp/cable.sock, recorded:
                vireo net --stream-listen /tmp/cable.sock --capture /tmp/cable.pcapng --vhost-user /tmp/net.sock
              A card of the host's, which goes on using it; or an interface of the guest's own on it:
                vireo net --packet eth0 --vhost-user /tmp/net.sock
                ip link add link eth0 name guest0 type macvtap mode bridge && ip link set guest0 up
                vireo net --macvtap guest0 --vhost-user /tmp/net.sock
              Every packet comes back, to measure:
                vireo net --loopback --poll-us 100 --vhost-user /tmp/net.sock
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        var options = new NetOptions
        {
            Mac = ParseMac(result.GetValue(_mac)) ?? _interfaces.AddressIn(result),
            MtuBytes = result.GetValue(_mtu) ?? 0,
            PairCount = result.GetValue(_pairs),
            QueueSizeMax = (ushort)result.GetValue(_queueSize),
            HasControlQueue =
                result.GetValue(_hasControl) || NeedsControl(result.GetValue(_pairs), result.GetResult(PciHome)),
            HasReceiveSideScaling = result.GetValue(_hasScaling),
            IsStandby = result.GetValue(_isStandby),
            SpeedMegabits = result.GetValue(_speed),
            Offloads = result.GetValue(_noOffloads) ? NetOffloads.None : NetOffloads.All,
            MergesReceiveBuffers = !result.GetValue(_noMerging),
        };
        (INetPort place, string subject) = OpenPort(result, resources, options);
        INetPort port = _filters.Apply(place, subject, result, resources.Loops);
        try
        {
            return new(new NetDevice(port, options), subject, port as IDisposable);
        }
        catch
        {
            (port as IDisposable)?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command)
    {
        command.Add(_tap);
        command.Add(_tapDescriptors);
        command.Add(_bridge);
        _interfaces.AddTo(command);
        _sockets.AddTo(command);
        command.Add(_null);
        command.Add(_loopback);
        command.Add(_generate);
        command.Add(_mac);
        command.Add(_mtu);
        command.Add(_pairs);
        command.Add(_queueSize);
        command.Add(_noOffloads);
        command.Add(_noMerging);
        command.Add(_hasControl);
        command.Add(_hasScaling);
        command.Add(_isStandby);
        command.Add(_speed);
        _filters.AddTo(command);
        command.Validators.Add(Check);
    }

    /// <summary>
    /// Whether a card that nobody stands in front of has several pairs: its driver says over the control queue how many it uses, and
    /// Linux's takes no card that offers pairs without that queue.
    /// </summary>
    private static bool NeedsControl(int pairs, SymbolResult? home) => pairs > 1 && home is not null;

    private void Check(CommandResult result)
    {
        ReadOnlySpan<SymbolResult?> ways =
        [
            result.GetResult(_tap),
            result.GetResult(_tapDescriptors),
            result.GetResult(_null),
            result.GetResult(_loopback),
            result.GetResult(_generate),
        ];
        int count = _sockets.CountIn(result) + _interfaces.CountIn(result);
        foreach (SymbolResult? way in ways)
        {
            count += way is null ? 0 : 1;
        }

        if (count > 1)
        {
            result.AddError($"a card is plugged in at one place: {Places}");
        }

        if (result.GetResult(_bridge) is not null && result.GetResult(_tap) is null)
        {
            result.AddError("--bridge is for the interface of --tap NAME");
        }

        if (result.GetResult(_isStandby) is not null && result.GetResult(_mac) is null)
        {
            result.AddError("--standby needs --mac, the address of the card it stands in for");
        }

        bool hasControl =
            result.GetResult(_hasControl) is not null
            || NeedsControl(result.GetValue(_pairs), result.GetResult(PciHome));
        if (result.GetResult(_hasScaling) is not null && !hasControl)
        {
            result.AddError("--rss is configured over the queue of --control-queue");
        }
    }

    /// <summary>Reads the value of <c>--mac</c>.</summary>
    /// <param name="text">The value; null gives null.</param>
    /// <exception cref="CommandException">It is no address that a card can have.</exception>
    internal static MacAddress? ParseMac(string? text)
    {
        if (text is null)
        {
            return null;
        }

        return MacAddress.TryParse(text, out MacAddress mac) && mac.IsUsable
            ? mac
            : throw new CommandException(
                $"--mac is '{text}', but has to be the address of one card, such as 52:54:00:12:34:56",
                ExitCode.Usage
            );
    }

    private (INetPort Port, string Subject) OpenPort(ParseResult result, DeviceResources resources, NetOptions options)
    {
        if (result.GetValue(_tap) is { } name)
        {
            return OpenTap(result, resources, options, name);
        }

        if (result.GetValue(_tapDescriptors) is { } numbers)
        {
            TapPort tap = WrapTap(resources, options, numbers);
            return (tap, tap.Name);
        }

        if (_interfaces.TryOpen(result, options.PairCount, resources.Loops) is { } place)
        {
            return place;
        }

        if (_sockets.TryOpen(result, resources.Loops) is { } socket)
        {
            return socket;
        }

        if (result.GetValue(_generate) is { } frameBytes)
        {
            return (new GeneratorPort(frameBytes), $"a source of packets of {frameBytes} bytes");
        }

        if (result.GetValue(_loopback))
        {
            return (new LoopbackPort(), "itself");
        }

        return result.GetValue(_null)
            ? (new NullPort(), "nothing")
            : throw new CommandException($"say where the card is plugged in: {Places}", ExitCode.Usage);
    }

    private (INetPort Port, string Subject) OpenTap(
        ParseResult result,
        DeviceResources resources,
        NetOptions options,
        string name
    )
    {
        if (System.Text.Encoding.UTF8.GetByteCount(name) is 0 or > TapDevice.NameBytesMax)
        {
            throw new CommandException(
                $"--tap is '{name}', but the name of an interface has 1 to {TapDevice.NameBytesMax} bytes",
                ExitCode.Usage
            );
        }

        try
        {
            bool isOurs = !NetInterface.Exists(name);
            var port = TapPort.Open(name, options.PairCount, resources.Loops);
            try
            {
                Prepare(result, port.Name, isOurs, options.MtuBytes);
                return (port, port.Name);
            }
            catch
            {
                port.Dispose();
                throw;
            }
        }
        catch (LinuxException exception)
        {
            throw Explain(exception, name, options.PairCount);
        }
    }

    /// <summary>An interface that was there is its owner's to configure; one that we made is ours.</summary>
    private void Prepare(ParseResult result, string name, bool isOurs, int mtuBytes)
    {
        if (isOurs && mtuBytes != 0)
        {
            NetInterface.SetMtu(name, mtuBytes);
        }

        if (result.GetValue(_bridge) is { } bridge)
        {
            NetInterface.AddToBridge(name, bridge);
        }

        if (isOurs)
        {
            NetInterface.SetUp(name);
        }
    }

    private static TapPort WrapTap(DeviceResources resources, NetOptions options, string numbers)
    {
        List<TapDevice> queues = [];
        try
        {
            foreach (string number in numbers.Split(','))
            {
                queues.Add(TapDevice.Adopt(ParseDescriptor(number)));
            }

            return queues.Count == options.PairCount
                ? TapPort.Wrap(queues, resources.Loops)
                : throw new CommandException(
                    $"--tap-fd names {queues.Count} descriptors, and there are {options.PairCount} pairs of queues",
                    ExitCode.Usage
                );
        }
        catch (Exception exception)
        {
            queues.ForEach(static queue => queue.Dispose());
            throw exception is LinuxException
                ? new CommandException(
                    $"{exception.Message}; pass a tap that was opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR"
                )
                : exception;
        }
    }

    private static int ParseDescriptor(string text) =>
        int.TryParse(
            text,
            System.Globalization.NumberStyles.None,
            System.Globalization.CultureInfo.InvariantCulture,
            out int number
        )
            ? number
            : throw new CommandException(
                $"--tap-fd has '{text}' in it, but takes numbers of descriptors with commas between them",
                ExitCode.Usage
            );

    /// <summary>Says in one sentence why a tap cannot be used.</summary>
    internal static CommandException Explain(LinuxException exception, string name, int pairCount) =>
        new(
            exception.Error switch
            {
                Errno.EPERM or Errno.EACCES =>
                    $"'{name}' cannot be used by this user; make it first, with 'ip tuntap add {name} mode tap user $USER"
                        + $"{(pairCount > 1 ? " multi_queue" : "")} vnet_hdr'",
                Errno.EBUSY => $"'{name}' is used by another process; end it or choose another interface",
                Errno.EINVAL when pairCount > 1 =>
                    $"'{name}' is no tap with several queues; make it with 'ip tuntap add {name} mode tap multi_queue vnet_hdr'",
                Errno.EINVAL =>
                    $"'{name}' is no tap with one queue; make it with 'ip tuntap add {name} mode tap vnet_hdr', or give --queue-pairs",
                Errno.ENOENT => "there is no /dev/net/tun on this host; load it with 'modprobe tun'",
                _ => exception.Message,
            }
        );
}
