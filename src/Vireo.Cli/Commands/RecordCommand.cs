using System.CommandLine;
using System.Runtime.InteropServices;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;
using Vireo.Cli.Homes;
using Vireo.Cli.Record;
using Vireo.Linux;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo record</c>: writes down what a front-end and a back-end say to each other.</summary>
internal static class RecordCommand
{
    private const string Examples = """
          Stand between QEMU and a disk, and write down what they say:
            vireo block disk.raw --vhost-user /tmp/disk.sock
            vireo record /tmp/qemu.sock /tmp/disk.sock --output disk.vhost
            qemu-system-x86_64 ... -chardev socket,id=disk,path=/tmp/qemu.sock -device vhost-user-blk-pci,chardev=disk
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var frontEnd = new Argument<string>("FRONT-END-SOCKET")
        {
            Description = "The socket to make, for the front-end to connect to.",
        };
        var backEnd = new Argument<string>("BACK-END-SOCKET")
        {
            Description = "The socket that the back-end listens on.",
        };
        var file = new Option<string>("--output", "-o")
        {
            Description = "The recording: one JSON object a line. What a guest reads or writes is not in it.",
            HelpName = "FILE",
            Required = true,
        };
        var log = new LogOptions();
        var command = new DocumentedCommand(
            "record",
            "Record what a front-end and a vhost-user back-end say to each other.",
            Examples
        )
        {
            frontEnd,
            backEnd,
            file,
        };
        log.AddTo(command);
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(frontEnd);
            using var recording = new RecordingWriter(result.GetRequiredValue(file));
            using var recorder = new Recorder(
                Listen(path),
                result.GetRequiredValue(backEnd),
                recording,
                log.Open(result, "record", context.Error)
            );
            void OnSignal(PosixSignalContext signal)
            {
                signal.Cancel = true;
                recorder.Stop();
            }

            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
            context.Output.WriteLine($"ready: record on {path}");
            context.Output.Flush();
            recorder.Run();
        });
        return command;
    }

    private static UnixListener Listen(string path)
    {
        try
        {
            return UnixListener.Listen(path);
        }
        catch (LinuxException exception)
        {
            throw SocketOptions.Explain(exception, path);
        }
    }
}
