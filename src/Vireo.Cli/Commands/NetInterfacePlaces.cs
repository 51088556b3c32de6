using System.CommandLine;
using System.CommandLine.Parsing;
using Vireo.Backends.Net.Packet;
using Vireo.Backends.Net.Tap;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Cli.Commands;

/// <summary>Places for a network card that are interfaces which the host has already.</summary>
internal sealed class NetInterfacePlaces
{
    /// <summary>The options, for people.</summary>
    public const string Usage = "--macvtap NAME, --packet NAME";

    private readonly Option<string?> _macvtap = new("--macvtap")
    {
        Description = "Plug into this macvtap, an interface of the guest's own on a card of the host.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _packet = new("--packet")
    {
        Description = "Plug into this interface beside the host, which goes on using it (AF_PACKET).",
        HelpName = "NAME",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_macvtap);
        command.Add(_packet);
    }

    /// <summary>How many of the places a command line names.</summary>
    public int CountIn(SymbolResult result) =>
        (result.GetResult(_macvtap) is null ? 0 : 1) + (result.GetResult(_packet) is null ? 0 : 1);

    /// <summary>The address that a card has to have at the place that a command line names; null for any.</summary>
    /// <remarks>A macvtap gets what is sent to its own address, and no more.</remarks>
    public MacAddress? AddressIn(ParseResult result)
    {
        if (result.GetValue(_macvtap) is not { } name)
        {
            return null;
        }

        try
        {
            Span<byte> address = stackalloc byte[NetInterface.AddressBytes];
            NetInterface.ReadAddress(name, address);
            return MacAddress.Read(address);
        }
        catch (Exception exception) when (exception is LinuxException or ArgumentException)
        {
            throw Explain(exception, "--macvtap", name);
        }
    }

    /// <summary>Opens the place that a command line names.</summary>
    /// <returns>Null when it names none of these.</returns>
    public (INetPort Port, string Subject)? TryOpen(ParseResult result, int pairCount, EventLoopGroup loops)
    {
        string? macvtap = result.GetValue(_macvtap);
        string? name = macvtap ?? result.GetValue(_packet);
        if (name is null)
        {
            return null;
        }

        try
        {
            INetPort port = macvtap is null
                ? PacketPort.Open(name, loops)
                : TapPort.OpenMacvtap(name, pairCount, loops);
            return (port, name);
        }
        catch (Exception exception) when (exception is LinuxException or ArgumentException)
        {
            throw Explain(exception, macvtap is null ? "--packet" : "--macvtap", name);
        }
    }

    /// <summary>Says in one sentence why an interface cannot be used.</summary>
    private static CommandException Explain(Exception exception, string option, string name)
    {
        if (exception is not LinuxException { Error: var error })
        {
            return new(
                $"{option} is '{name}', but the name of an interface has 1 to {TapDevice.NameBytesMax} bytes",
                ExitCode.Usage
            );
        }

        return new(
            error switch
            {
                Errno.ENODEV => $"there is no interface '{name}' on this host; 'ip link' shows those there are",
                Errno.ENETDOWN => $"'{name}' is down; bring it up with 'ip link set {name} up'",
                Errno.EPERM or Errno.EACCES when string.Equals(option, "--packet", StringComparison.Ordinal) =>
                    $"'{name}' cannot be used by this user: AF_PACKET wants the capability CAP_NET_RAW",
                Errno.EPERM or Errno.EACCES =>
                    $"'{name}' cannot be used by this user: its node in /dev is another's; give it away with chown",
                Errno.ENOENT or Errno.ENXIO =>
                    $"'{name}' is no macvtap, or has no node in /dev; make one with 'ip link add link CARD name {name} type macvtap mode bridge'",
                _ => exception.Message,
            }
        );
    }
}
