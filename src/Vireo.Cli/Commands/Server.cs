using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Vireo.Cli.Configuration;
using Vireo.Cli.Homes;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Commands;

/// <summary>Runs one device in one home until somebody asks it to stop.</summary>
internal sealed class Server(
    DeviceCommand deviceCommand,
    IReadOnlyList<HomeChoice> homes,
    ServeOptions options,
    CommandContext context
)
{
    private readonly Lock _stopping = new();

    /// <summary>What the device does when the operator has changed something around it; null when that means to end.</summary>
    private Action? _reload;

    private IServedHome? _home;
    private bool _isStopRequested;

    /// <summary>Serves, and returns when it was asked to stop or nobody can connect any more.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public int Run(ParseResult result)
    {
        HomeChoice choice = Choose(result);
        ILogger logger = options.OpenLog(result, deviceCommand.Name, context.Error);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnHangUp);
        using EventLoopGroup loops = StartLoops(result);
        using ServedDevice served = deviceCommand.Open(result, new DeviceResources(loops, logger));
        SetReload(served.Reload);
        using IServedHome home = choice.Open(served.Device, loops, result, logger);
        if (!TrySetHome(home))
        {
            return ExitCode.Success;
        }

        Announce(served, home);
        home.Run();
        ServiceNotifier.FromEnvironment().Stopping();
        SetNoHome();
        return ExitCode.Success;
    }

    private HomeChoice Choose(ParseResult result)
    {
        HomeChoice? chosen = null;
        foreach (HomeChoice home in homes)
        {
            if (!home.IsChosen(result))
            {
                continue;
            }

            if (chosen is not null)
            {
                throw new CommandException(
                    $"a device lives in one place at a time: either {chosen.Usage} or {home.Usage}",
                    ExitCode.Usage
                );
            }

            chosen = home;
        }

        return chosen ?? ChooseOtherwise(result);
    }

    private HomeChoice ChooseOtherwise(ParseResult result)
    {
        List<string> ways = [];
        foreach (HomeChoice home in homes)
        {
            if (home.IsMeantOtherwise(result))
            {
                return home;
            }

            ways.Add(home.Usage);
        }

        throw new CommandException(
            $"say where the device is to be found, with {string.Join(", ", ways)} or --fd FDNUM",
            ExitCode.Usage
        );
    }

    /// <summary>Says that the device can be used now: on standard output, and to the service manager.</summary>
    private void Announce(ServedDevice served, IServedHome home)
    {
        string subject = served.Subject.Length > 0 ? $"{deviceCommand.Name} {served.Subject}" : deviceCommand.Name;
        context.Output.WriteLine($"ready: {subject} {home.Place}");
        context.Output.Flush();
        ServiceNotifier.FromEnvironment().Ready($"{subject} {home.Place}");
    }

    /// <summary>The first signal ends the command cleanly; a second one is left to the kernel.</summary>
    private void OnSignal(PosixSignalContext signal)
    {
        lock (_stopping)
        {
            signal.Cancel = !_isStopRequested;
            _isStopRequested = true;
            _home?.Stop();
        }
    }

    /// <summary>A device that can look anew at what is around it does so; to others the signal means to end.</summary>
    private void OnHangUp(PosixSignalContext signal)
    {
        lock (_stopping)
        {
            if (_reload is null || _isStopRequested)
            {
                OnSignal(signal);
                return;
            }

            signal.Cancel = true;
            _reload();
        }
    }

    private EventLoopGroup StartLoops(ParseResult result)
    {
        try
        {
            return EventLoopGroup.Start(options.ThreadsOf(result), options.LoopsOf(result, deviceCommand.Name));
        }
        catch (LinuxException exception) when (exception.Error == Errno.EINVAL)
        {
            throw new CommandException("--cpus names a processor that this process cannot run on", ExitCode.Failure);
        }
    }

    private void SetReload(Action? reload)
    {
        lock (_stopping)
        {
            _reload = reload;
        }
    }

    private bool TrySetHome(IServedHome home)
    {
        lock (_stopping)
        {
            _home = home;
            return !_isStopRequested;
        }
    }

    /// <summary>From here on a signal finds nothing to stop.</summary>
    private void SetNoHome()
    {
        lock (_stopping)
        {
            _home = null;
            _reload = null;
        }
    }
}
