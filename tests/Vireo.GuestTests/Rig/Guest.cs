namespace Vireo.GuestTests.Rig;

/// <summary>A running virtual machine and what a test does with it.</summary>
public sealed class Guest : IDisposable
{
    private readonly GuestChannels _channels;
    private readonly GuestAgent _agent;
    private readonly Transcript _transcript;
    private readonly ChildProcess _qemu;

    /// <summary>Starts QEMU; the guest boots while the test goes on.</summary>
    /// <param name="folder">For sockets and the shared folder; must be there, with a short path.</param>
    public Guest(string name, QemuCommand command, string folder, Transcript transcript)
    {
        _transcript = transcript;
        HostFolder = Path.Combine(folder, "host");
        Directory.CreateDirectory(HostFolder);
        _channels = new GuestChannels(folder, name, transcript);
        _agent = new GuestAgent(_channels.Agent);
        Console = new GuestConsole(_channels.Console, transcript);
        Monitor = new QemuMonitor(_channels.Monitor, transcript);
        (string program, IReadOnlyList<string> arguments) = command.Build(_channels, HostFolder);
        _qemu = ChildProcess.Start($"{name} qemu", transcript, program, arguments);
    }

    public GuestConsole Console { get; }

    public QemuMonitor Monitor { get; }

    /// <summary>The folder on this host that the guest sees as /host.</summary>
    public string HostFolder { get; }

    /// <summary>QEMU's process.</summary>
    public ChildProcess Qemu => _qemu;

    /// <summary>Waits until the guest has booted and obeys commands.</summary>
    public void WaitUntilReady(TimeSpan? timeout = null)
    {
        TimeSpan limit = timeout ?? RigTimeouts.Boot;
        if (!_agent.WaitUntilReady(limit))
        {
            throw Failure($"The guest did not boot within {limit.TotalSeconds} s.");
        }
    }

    /// <summary>Starts a script (bash; busybox's sh without the userland). One at a time.</summary>
    public GuestCommand Start(string script) => _agent.Start(script, this);

    /// <summary>Runs a script to its end, which must be a good one, and gives its output.</summary>
    /// <exception cref="GuestException">It ended with another status than 0, or not in time, or the guest did.</exception>
    public string Run(string script, TimeSpan? timeout = null)
    {
        (int status, IReadOnlyList<string> output) = Start(script).Wait(timeout);
        return status == 0
            ? string.Join('\n', output)
            : throw Failure($"A script in the guest ended with status {status}:\n{script.Trim()}\n");
    }

    /// <summary>Runs a script that reports by the Test Anything Protocol; every point must be "ok" and its plan fulfilled.</summary>
    /// <remarks>In the guest, /run/vireo/tap has functions for it: see docs/testing.md.</remarks>
    /// <exception cref="GuestException">A point failed or is missing, with the whole report in the message.</exception>
    public TapReport RunTap(string script, TimeSpan? timeout = null)
    {
        (int status, IReadOnlyList<string> output) = Start($". /run/vireo/tap\n{script}").Wait(timeout);
        var report = TapReport.Parse(output);
        return status == 0 && report.IsGood
            ? report
            : throw Failure(
                $"A script in the guest reports (status {status}):\n{report.Describe()}\n{string.Join('\n', output)}\n"
            );
    }

    /// <summary>Restarts the guest the hard way, by its own reset switch, and waits until it obeys again.</summary>
    public void Reboot()
    {
        _agent.Request("reboot");
        WaitUntilReady();
    }

    /// <summary>Shuts the guest down from inside and waits until QEMU has ended well.</summary>
    public void PowerOff()
    {
        _agent.Request("poweroff");
        int status = _qemu.WaitForExit(RigTimeouts.Program);
        if (status != 0)
        {
            throw Failure($"QEMU ended with status {status} at power-off.");
        }
    }

    /// <summary>kill -9 of QEMU.</summary>
    public void Kill()
    {
        _qemu.Signal(UnixSignal.Kill);
        _ = _qemu.WaitForExit(RigTimeouts.Program);
    }

    /// <summary>A failure that says whether QEMU still runs.</summary>
    public GuestException Failure(string message)
    {
        string state = _qemu.HasExited ? " QEMU has ended." : "";
        string panic = Console.HasShown("Kernel panic") ? " The guest's kernel panicked." : "";
        return new GuestException(message + state + panic, _transcript);
    }

    public void Dispose()
    {
        _qemu.Dispose();
        _channels.Dispose();
    }
}
