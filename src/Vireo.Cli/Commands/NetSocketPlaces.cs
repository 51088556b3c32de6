using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Vireo.Backends.Net.Sockets;
using Vireo.Backends.Net.User;
using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.Cli.Commands;

/// <summary>Places for a network card that are sockets: passt, and cables to other programs.</summary>
internal sealed class NetSocketPlaces
{
    /// <summary>The options, for people.</summary>
    public const string Usage = "--user, --stream ADDRESS, --stream-listen ADDRESS, --dgram LOCAL,PEER";

    private const string AddressForm = "a path, or an IP address with a port such as 127.0.0.1:5000";

    private readonly Option<bool> _user = new("--user")
    {
        Description = "Plug into the host's network without privileges, by running passt; addresses come by DHCP.",
    };

    private readonly Option<string> _passt = new("--passt")
    {
        Description = "With --user: the program, a name in PATH or a path.",
        HelpName = "PROGRAM",
        DefaultValueFactory = static _ => "passt",
    };

    private readonly Option<string[]> _passtArguments = new("--passt-arg")
    {
        Description =
            "With --user: one more word for passt, such as --passt-arg=--tcp-ports --passt-arg=2222:22; repeatable.",
        HelpName = "WORD",
    };

    private readonly Option<string?> _stream = new("--stream")
    {
        Description = "Plug into a cable to this address (QEMU's -netdev stream,server=on).",
        HelpName = "ADDRESS",
    };

    private readonly Option<string?> _streamListen = new("--stream-listen")
    {
        Description = "Be the end of a cable that somebody connects to (QEMU's -netdev stream,server=off).",
        HelpName = "ADDRESS",
    };

    private readonly Option<string?> _dgram = new("--dgram")
    {
        Description = "Exchange each packet as a datagram between these two addresses (QEMU's -netdev dgram).",
        HelpName = "LOCAL,PEER",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_user);
        command.Add(_passt);
        command.Add(_passtArguments);
        command.Add(_stream);
        command.Add(_streamListen);
        command.Add(_dgram);
    }

    /// <summary>How many of the places a command line names.</summary>
    public int CountIn(System.CommandLine.Parsing.SymbolResult result)
    {
        int count = 0;
        foreach (Option place in (ReadOnlySpan<Option>)[_user, _stream, _streamListen, _dgram])
        {
            count += result.GetResult(place) is null ? 0 : 1;
        }

        return count;
    }

    /// <summary>Opens the place that a command line names.</summary>
    /// <returns>Null when it names none of these.</returns>
    public (INetPort Port, string Subject)? TryOpen(ParseResult result, EventLoopGroup loops)
    {
        if (result.GetValue(_user))
        {
            UserPortOptions options = new()
            {
                Program = result.GetValue(_passt)!,
                Arguments = result.GetValue(_passtArguments) ?? [],
            };
            return (UserPort.Start(options, loops), "the host's network");
        }

        if (result.GetValue(_stream) is { } peer)
        {
            return (StreamPort.Connect(AddressOf("--stream", peer), loops), peer);
        }

        if (result.GetValue(_streamListen) is { } local)
        {
            return (StreamPort.Listen(AddressOf("--stream-listen", local), loops), local);
        }

        return result.GetValue(_dgram) is { } ends ? (OpenDatagram(ends, loops), ends) : null;
    }

    private static DatagramPort OpenDatagram(string ends, EventLoopGroup loops)
    {
        int comma = ends.IndexOf(',', StringComparison.Ordinal);
        if (comma < 0)
        {
            throw new CommandException(
                $"--dgram is '{ends}', but has to be two addresses with a comma between them: our own, and the other side's",
                ExitCode.Usage
            );
        }

        return new(AddressOf("--dgram", ends[..comma]), AddressOf("--dgram", ends[(comma + 1)..]), loops);
    }

    private static EndPoint AddressOf(string option, string text)
    {
        if (IPEndPoint.TryParse(text, out IPEndPoint? address) && address.Port != 0)
        {
            return address;
        }

        // A name without a slash is more likely a host's than a file's: the one would need a resolver, the other a "./".
        if (!text.Contains('/', StringComparison.Ordinal))
        {
            throw new CommandException($"{option} is '{text}', but has to be {AddressForm}", ExitCode.Usage);
        }

        try
        {
            return new UnixDomainSocketEndPoint(text);
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new CommandException(
                $"{option} is '{text}', which is longer than the 107 bytes of a socket's path",
                ExitCode.Usage
            );
        }
    }
}
