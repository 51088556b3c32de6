using System.CommandLine;
using System.Globalization;
using Vireo.Cli.Configuration;
using Vireo.Linux;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Homes;

/// <summary>What homes that live on a UNIX socket have in common: where the socket comes from and who may connect.</summary>
internal sealed class SocketOptions
{
    private const int ModeMax = 0b111_111_111;

    private readonly Option<int?> _descriptor = Accept.OptionalNumber(
        "--fd",
        "Use the socket this process was started with under this number, listening or connected.",
        least: 0,
        int.MaxValue
    );

    private readonly Option<bool> _connect = new("--connect")
    {
        Description = "Connect to SOCKET, where the other side listens (QEMU: server=on).",
    };

    private readonly Option<string?> _mode = new("--socket-mode")
    {
        Description = "Permissions of the socket file, for example 660.",
        HelpName = "OCTAL",
    };

    private readonly Option<string?> _group = new("--socket-group")
    {
        Description = "Group of the socket file, a name or a number.",
        HelpName = "GROUP",
    };

    /// <summary>Makes the options.</summary>
    public SocketOptions()
    {
        _mode.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && TryParseMode(result.Tokens[0].Value) is null)
            {
                result.AddError(
                    $"--socket-mode is '{result.Tokens[0].Value}', but has to be an octal number from 0 to 777"
                );
            }
        });
    }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_descriptor);
        command.Add(_connect);
        command.Add(_mode);
        command.Add(_group);
    }

    /// <summary>Whether the process was started with a socket: <c>--fd</c>, or by a service manager.</summary>
    public bool HasInherited(ParseResult result) => result.GetValue(_descriptor) is not null || IsActivated();

    /// <summary>Refuses combinations that make no sense.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="path">The path that was given, or null.</param>
    /// <exception cref="CommandException">The combination makes no sense.</exception>
    public void Check(ParseResult result, string? path)
    {
        if (path is { Length: 0 })
        {
            throw new CommandException("the path of the socket is empty", ExitCode.Usage);
        }

        if (path is not null && result.GetValue(_descriptor) is not null)
        {
            throw new CommandException("--fd brings its own socket, so a path cannot be given, too", ExitCode.Usage);
        }

        bool isFile = path is not null && !result.GetValue(_connect);
        if (!isFile && (result.GetValue(_mode) ?? result.GetValue(_group)) is not null)
        {
            throw new CommandException(
                "--socket-mode and --socket-group are for a socket that vireo makes itself",
                ExitCode.Usage
            );
        }

        if (path is null && result.GetValue(_connect))
        {
            throw new CommandException("--connect needs the path of a socket", ExitCode.Usage);
        }
    }

    /// <summary>Whether we connect, and the other side listens.</summary>
    public bool IsConnecting(ParseResult result) => result.GetValue(_connect);

    /// <summary>Permission bits of the socket file; null for the usual ones.</summary>
    public int? ModeOf(ParseResult result) => result.GetValue(_mode) is { } text ? TryParseMode(text) : null;

    /// <summary>Group of the socket file; null for the usual one.</summary>
    /// <exception cref="CommandException">There is no such group.</exception>
    public uint? GroupOf(ParseResult result)
    {
        if (result.GetValue(_group) is not { } name)
        {
            return null;
        }

        return (name.Length > 0 ? GroupDatabase.TryFind(name) : null)
            ?? throw new CommandException($"there is no group '{name}' on this host; see 'getent group'");
    }

    /// <summary>Takes over the socket this process was started with.</summary>
    /// <returns>The socket; the caller's.</returns>
    /// <exception cref="CommandException">There is none, or not exactly one, or it is no UNIX stream socket.</exception>
    public InheritedDescriptor TakeInherited(ParseResult result)
    {
        try
        {
            if (result.GetValue(_descriptor) is { } number)
            {
                return InheritedDescriptor.Adopt(number);
            }

            IReadOnlyList<InheritedDescriptor> activated = SocketActivation.Take();
            return activated.Count == 1
                ? activated[0]
                : throw new CommandException(
                    $"the service manager passed {activated.Count} sockets, but a device takes one; start one service for each socket"
                );
        }
        catch (LinuxException exception)
        {
            throw new CommandException(
                $"{exception.Message}; pass a UNIX stream socket, listening or connected, to this process"
            );
        }
    }

    /// <summary>Says what to do about a path that cannot be listened on.</summary>
    public static CommandException Explain(LinuxException exception, string path) =>
        new(
            exception.Error switch
            {
                Errno.EADDRINUSE => $"another process listens on '{path}'; end it or choose another path",
                Errno.EEXIST => $"'{path}' is there and is no socket; remove it or choose another path",
                Errno.ENOENT => $"the folder of '{path}' is not there; make it first",
                Errno.ENOTDIR => $"a part of '{path}' is a file and no folder; choose another path",
                Errno.EACCES or Errno.EPERM =>
                    $"'{path}' cannot be made or given away by this user ({exception.Error}); choose a folder or a group of yours",
                Errno.ENAMETOOLONG => $"'{path}' is too long for a socket's path; choose a shorter one",
                _ => exception.Message,
            }
        );

    /// <summary>Whether a service manager has opened a socket for this process (sd_listen_fds).</summary>
    private static bool IsActivated()
    {
        string own = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return string.Equals(Environment.GetEnvironmentVariable("LISTEN_PID"), own, StringComparison.Ordinal)
            && Environment.GetEnvironmentVariable("LISTEN_FDS") is { Length: > 0 };
    }

    private static int? TryParseMode(string text)
    {
        int mode = 0;
        foreach (char digit in text)
        {
            if (digit is < '0' or > '7' || mode > ModeMax)
            {
                return null;
            }

            mode = (mode * 8) + (digit - '0');
        }

        return text.Length > 0 && mode <= ModeMax ? mode : null;
    }
}
