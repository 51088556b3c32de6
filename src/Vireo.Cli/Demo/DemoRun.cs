using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Vireo.Cli.Demo;

/// <summary>One demonstration, from provisioning to the last process's end.</summary>
internal sealed class DemoRun(DemoOptions options, CommandContext context) : IDisposable
{
    private const int FreshDiskMebibytes = 256;

    /// <summary>What shells give for a program that signal N has ended is this and N.</summary>
    private const int SignalStatus = 128;

    /// <summary>What timeout(1) gives.</summary>
    private const int TimeLimitStatus = 124;

    private readonly ProcessList _processes = new();
    private volatile bool _isOutOfTime;

    /// <summary>The status that tells which signal ended the demonstration.</summary>
    private volatile int _signalStatus;

    private bool IsInteractive => options.Script is null;

    /// <summary>Runs it.</summary>
    /// <returns>The script's status; 0 after a shell.</returns>
    /// <exception cref="CommandException">Something it needs is missing or failed.</exception>
    public int Run()
    {
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal);
        if (options.DiskPath is { } disk && !File.Exists(disk))
        {
            throw new CommandException($"there is no disk '{disk}'; make one with 'truncate -s 1G {disk}'");
        }

        string folder = Directory.CreateTempSubdirectory("vireo-demo-").FullName;
        try
        {
            return RunIn(folder);
        }
        catch (OperationCanceledException)
        {
            return _isOutOfTime ? OutOfTime() : _signalStatus;
        }
        finally
        {
            _processes.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _processes.Dispose();

    private int RunIn(string folder)
    {
        GuestFiles guest = new GuestProvision(DemoCache.Folder(context.Environment), _processes).Run();
        string disk = options.DiskPath ?? MakeDisk(folder, guest);
        var sockets = new DemoSockets(Path.Combine(folder, "disk.sock"), Path.Combine(folder, "entropy.sock"));
        ChildProcess blockServer = StartDevice(
            "block",
            disk,
            "--vhost-user",
            sockets.Disk,
            "--queues",
            Text(options.ProcessorCount)
        );
        ChildProcess entropyServer = StartDevice("entropy", "--vhost-user", sockets.Entropy);
        string initramfs = MakeInitramfs(folder, guest);
        DemoTable.Write(options, guest, disk, blockServer, entropyServer);

        using var terminal = TerminalState.Save(IsInteractive);
        ChildProcess machine = _processes.Start(
            "QEMU",
            IsInteractive ? ChildStreams.Terminal : ChildStreams.Kept,
            guest.Qemu,
            DemoMachine.Arguments(options, guest, initramfs, sockets)
        );
        using Timer? timer = StartTimer();
        int status = IsInteractive ? WaitFor(machine) : Follow(machine);
        ReportEnded(blockServer);
        ReportEnded(entropyServer);
        return status;
    }

    /// <summary>A file of holes with a file system in it, made by the guest's own tool because the host may have none.</summary>
    private string MakeDisk(string folder, GuestFiles guest)
    {
        string path = Path.Combine(folder, "disk.raw");
        using (FileStream file = File.Create(path))
        {
            file.SetLength(FreshDiskMebibytes * 1024L * 1024);
        }

        _processes.ReadOutput(guest.Busybox, "mke2fs", "-F", "-L", "vireo-demo", path);
        return path;
    }

    /// <summary>Starts this program again, for one device, and returns when it is ready.</summary>
    private ChildProcess StartDevice(string name, params IReadOnlyList<string> arguments)
    {
        // Started as "dotnet vireo.dll" the program is the runtime, and the assembly its first word.
        string program = Environment.ProcessPath!;
        bool isRuntime = Path.GetFileName(program) is "dotnet";
        string[] first = isRuntime ? [Path.Combine(AppContext.BaseDirectory, "vireo.dll"), name] : [name];
        ChildProcess child = _processes.Start($"vireo {name}", ChildStreams.Kept, program, [.. first, .. arguments]);
        if (child.ReadLine() is null)
        {
            child.WaitForEnd();
            _processes.ThrowIfCancelled();
            throw new CommandException($"'vireo {name}' did not start: {child.LastWords()}");
        }

        return child;
    }

    /// <summary>The guest's first file system with the script, or the shell's greeting, behind it.</summary>
    private string MakeInitramfs(string folder, GuestFiles guest)
    {
        const int AlignmentBytes = 4;
        string path = Path.Combine(folder, "initramfs");
        using FileStream file = File.Create(path);
        using (FileStream common = File.OpenRead(guest.Initramfs))
        {
            common.CopyTo(file);
        }

        while (file.Position % AlignmentBytes != 0)
        {
            file.WriteByte(0);
        }

        var archive = new CpioArchive(file);
        if (options.Script is { } script)
        {
            archive.AddFolder("vireo");
            archive.AddFile("vireo/script", script);
        }
        else
        {
            archive.AddFolder("etc");
            archive.AddFile("etc/profile", Encoding.UTF8.GetBytes(TerminalState.SizeCommand() + DemoFiles.Profile));
        }

        archive.Finish();
        return path;
    }

    private static int WaitFor(ChildProcess machine)
    {
        machine.WaitForEnd();
        return machine.ExitCode == 0
            ? ExitCode.Success
            : throw new CommandException($"the guest's machine (QEMU) ended with status {machine.ExitCode}");
    }

    /// <summary>Shows what the script prints until the guest is off.</summary>
    private int Follow(ChildProcess machine)
    {
        using Stream destination = Console.OpenStandardOutput();
        var output = new GuestOutput(destination);
        byte[] buffer = new byte[4096];
        int count;
        while ((count = machine.Output.Read(buffer)) > 0)
        {
            output.Write(buffer.AsSpan(0, count));
        }

        output.Finish();
        machine.WaitForEnd();
        _processes.ThrowIfCancelled();
        foreach (string warning in output.Warnings)
        {
            context.Error.WriteLine($"vireo demo: guest: {warning}");
        }

        return output.ExitStatus
            ?? throw new CommandException(
                machine.ExitCode == 0
                    ? "the guest ended before the script did"
                    : $"the guest's machine (QEMU) ended with status {machine.ExitCode}: {machine.LastWords()}"
            );
    }

    /// <summary>A device that is gone before the guest is worth a word.</summary>
    private void ReportEnded(ChildProcess device)
    {
        if (device.HasEnded)
        {
            context.Error.WriteLine(
                $"vireo demo: '{device.Name}' ended with status {device.ExitCode}: {device.LastWords()}"
            );
        }
    }

    private Timer? StartTimer() =>
        options.TimeLimit > TimeSpan.Zero
            ? new Timer(_ => GiveUp(), state: null, options.TimeLimit, Timeout.InfiniteTimeSpan)
            : null;

    private void GiveUp()
    {
        _isOutOfTime = true;
        _processes.Cancel();
    }

    private int OutOfTime()
    {
        context.Error.WriteLine(
            $"vireo demo: the script took longer than {Text((int)options.TimeLimit.TotalSeconds)} s; allow it more with --timeout"
        );
        return TimeLimitStatus;
    }

    private void OnSignal(PosixSignalContext signal)
    {
        signal.Cancel = true;
        _signalStatus =
            SignalStatus
            + signal.Signal switch
            {
                PosixSignal.SIGHUP => 1,
                PosixSignal.SIGINT => 2,
                _ => 15,
            };
        _processes.Cancel();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
