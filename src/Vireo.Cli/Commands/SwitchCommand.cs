using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Vireo.Backends.Net.Switch;
using Vireo.Backends.Net.Tap;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;
using Vireo.Devices.Net;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo switch</c>: network cards for several guests on one switch.</summary>
internal sealed class SwitchCommand
{
    private const int GuestsMax = 1024;
    private const int SecondsMax = 1_000_000;
    private const int UsualAgeingSeconds = 300;

    private const string Examples = """
          Two guests that see each other, and the host over a tap:
            vireo switch --guest /tmp/a.sock --guest /tmp/b.sock --tap tap0
            qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
              -chardev socket,id=net,path=/tmp/a.sock -netdev vhost-user,id=net0,chardev=net -device virtio-net-pci,netdev=net0 ...
          Two networks that do not see each other, and the internet for one of them:
            vireo switch --guest /tmp/a.sock,vlan=1 --guest /tmp/b.sock,vlan=2 --user --uplink-vlan 1
        """;

    private readonly Option<string[]> _guests = new("--guest")
    {
        Description =
            "A card for a guest: its vhost-user socket, and after commas vlan=N (its network, untagged) and offloads=off.",
        HelpName = "SOCKET[,vlan=N][,offloads=off]",
    };

    private readonly Option<string?> _tap = new("--tap")
    {
        Description =
            "Plug this interface of the host in, too; it is made, and brought up, if there is none of that name.",
        HelpName = "NAME",
    };

    private readonly Option<int?> _uplinkVlan = Accept.OptionalNumber(
        "--uplink-vlan",
        "The network of the tap or socket, untagged; otherwise tags go through.",
        least: 1,
        NetSwitch.VlanMax
    );

    private readonly Option<int> _ageing = Accept.Number(
        "--ageing",
        "Seconds after which a silent address is forgotten.",
        least: 1,
        SecondsMax,
        UsualAgeingSeconds
    );

    private readonly Option<int?> _floods = Accept.OptionalNumber(
        "--flood-limit",
        "How many packets a second each card may send to everybody or to unknown addresses.",
        least: 1,
        int.MaxValue
    );

    private readonly NetSocketPlaces _places = new();
    private readonly ServeOptions _serve = new();
    private readonly Lock _stopping = new();
    private readonly List<VhostUserHome> _homes = [];
    private bool _isStopRequested;

    private SwitchCommand() { }

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        SwitchCommand self = new();
        var command = new DocumentedCommand(
            "switch",
            "Serve network cards (virtio net) for several guests on one switch, over vhost-user.",
            Examples
        );
        command.Add(self._guests);
        command.Add(self._tap);
        self._places.AddTo(command);
        command.Add(self._uplinkVlan);
        command.Add(self._ageing);
        command.Add(self._floods);
        self._serve.AddTo(command);
        command.Validators.Add(result =>
        {
            int places = self._places.CountIn(result) + (result.GetResult(self._tap) is null ? 0 : 1);
            if (places > 1)
            {
                result.AddError("a switch has one way out: one of --tap NAME, " + NetSocketPlaces.Usage);
            }

            if (places == 0 && result.GetResult(self._uplinkVlan) is not null)
            {
                result.AddError("--uplink-vlan is for the way out, and there is none");
            }
        });
        command.SetAction(result => self.Run(result, context));
        return command;
    }

    private int Run(ParseResult result, CommandContext context)
    {
        string[] guests = result.GetValue(_guests) ?? [];
        if (guests.Length is 0 or > GuestsMax)
        {
            throw new CommandException(
                $"there are {guests.Length} cards; name 1 to {GuestsMax}, each with --guest SOCKET",
                ExitCode.Usage
            );
        }

        if (_serve.ThreadsOf(result) != 1)
        {
            throw new CommandException("a switch works on one thread; start several for more", ExitCode.Usage);
        }

        ILogger logger = _serve.OpenLog(result, "switch", context.Error);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var loops = EventLoopGroup.Start(1, _serve.LoopsOf(result, "switch"));
        NetSwitch center = new(
            loops[0],
            new()
            {
                Ageing = TimeSpan.FromSeconds(result.GetValue(_ageing)),
                FloodsPerSecond = result.GetValue(_floods) ?? 0,
            }
        );
        List<IDisposable> parts = [];
        try
        {
            Connect(result, center, loops, parts);
            foreach (string guest in guests)
            {
                AddGuest(guest, center, loops, logger, parts);
            }

            context.Output.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"ready: switch with {guests.Length} cards")
            );
            context.Output.Flush();
            Serve();
            Report(center, context.Output);
            return ExitCode.Success;
        }
        finally
        {
            for (int index = parts.Count - 1; index >= 0; index--)
            {
                parts[index].Dispose();
            }
        }
    }

    /// <summary>Plugs in the way out, if there is one.</summary>
    private void Connect(ParseResult result, NetSwitch center, EventLoopGroup loops, List<IDisposable> parts)
    {
        (INetPort Port, string Subject)? uplink = _places.TryOpen(result, loops);
        if (result.GetValue(_tap) is { } name)
        {
            bool isOurs = !NetInterface.Exists(name);
            var tap = TapPort.Open(name, pairCount: 1, loops);
            parts.Add(tap);
            if (isOurs)
            {
                NetInterface.SetUp(tap.Name);
            }

            uplink = (tap, tap.Name);
        }
        else if (uplink?.Port is IDisposable port)
        {
            parts.Add(port);
        }

        if (uplink is { } found)
        {
            SwitchPort place = center.AddPort(found.Subject, result.GetValue(_uplinkVlan));
            parts.Add(new SwitchUplink(center, place, found.Port));
        }
    }

    private void AddGuest(string text, NetSwitch center, EventLoopGroup loops, ILogger logger, List<IDisposable> parts)
    {
        string[] words = text.Split(',');
        int? vlan = null;
        NetOffloads offloads = NetOffloads.All;
        foreach (string word in words.AsSpan(1))
        {
            bool isVlan = word.StartsWith("vlan=", StringComparison.Ordinal);
            int number = 0;
            bool isNumber =
                isVlan
                && int.TryParse(word.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out number)
                && number is >= 1 and <= NetSwitch.VlanMax;
            if (isNumber)
            {
                vlan = number;
            }
            else if (string.Equals(word, "offloads=off", StringComparison.Ordinal))
            {
                offloads = NetOffloads.None;
            }
            else
            {
                throw new CommandException(
                    $"--guest has '{word}' in it, but after the socket come vlan=N, N from 1 to {NetSwitch.VlanMax}, and offloads=off",
                    ExitCode.Usage
                );
            }
        }

        SwitchPort port = center.AddPort(words[0], vlan);
        parts.Add(port);
        NetDevice device = new(port, new() { HasControlQueue = false, Offloads = offloads });
        parts.Add(device);
        var home = VhostUserHome.Listen(words[0], device, loops, new() { Logger = logger });
        parts.Add(home);
        lock (_stopping)
        {
            _homes.Add(home);
        }
    }

    /// <summary>Each card is served by a thread of its own, which only hears what its guest's machine says; packets go over the loop.</summary>
    private void Serve()
    {
        List<Thread> threads = [];
        lock (_stopping)
        {
            if (_isStopRequested)
            {
                return;
            }

            foreach (VhostUserHome home in _homes)
            {
                Thread thread = new(home.Run) { IsBackground = true, Name = "card" };
                threads.Add(thread);
                thread.Start();
            }
        }

        threads.ForEach(static thread => thread.Join());
        lock (_stopping)
        {
            _homes.Clear();
        }
    }

    private static void Report(NetSwitch center, TextWriter output)
    {
        foreach (SwitchPort port in center.Ports)
        {
            SwitchPortStatistics counted = port.Statistics;
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{port.Name}: {counted.PacketsIn} packets ({counted.BytesIn} bytes) in, {counted.PacketsOut} ({counted.BytesOut}) out, {counted.Flooded} flooded, {counted.FloodsRefused} not flooded, {counted.VlanDrops} of a wrong network, {counted.FullDrops} without a buffer"
                )
            );
        }

        output.Flush();
    }

    /// <summary>The first signal ends the command cleanly; a second one is left to the kernel.</summary>
    private void OnSignal(PosixSignalContext signal)
    {
        lock (_stopping)
        {
            signal.Cancel = !_isStopRequested;
            _isStopRequested = true;
            _homes.ForEach(static home => home.Stop());
        }
    }
}
