using System.CommandLine;
using Vireo.Cli.Configuration;
using Vireo.Cli.Demo;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo demo</c>: a running Linux guest whose devices are Vireo processes.</summary>
internal static class DemoCommand
{
    private const int ProcessorsMax = 64;

    /// <summary>Debian's kernel and its first file system do not come up with less.</summary>
    private const int MemoryMebibytesMin = 256;

    private const int MemoryMebibytesMax = 1024 * 1024;
    private const int ScriptTimeoutSeconds = 300;
    private const int TimeoutSecondsMax = 7 * 24 * 3600;

    private const string Examples = """
          A shell in a guest:
            vireo demo
          A script in a guest, whose status becomes the command's:
            echo 'dd if=/dev/vda of=/dev/null bs=1M' | vireo demo --script -
          On a disk of your own, which is kept:
            vireo demo --disk disk.raw --cpus 4 --memory 1024

          Kernel and QEMU come from Debian's archive, once, into ~/.cache/vireo (or VIREO_CACHE). Nothing needs root.
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var script = new Option<string?>("--script")
        {
            Description = "Run FILE ('-': standard input) in the guest in place of a shell, and end with its status.",
            HelpName = "FILE",
        };
        var disk = new Option<string?>("--disk")
        {
            Description = "The disk's image, which is kept; default: a fresh one with an empty file system.",
            HelpName = "FILE",
        };
        Option<int> processors = Accept.Number(
            "--cpus",
            "Processors of the guest, and queues of its disk.",
            least: 1,
            ProcessorsMax,
            usual: 2
        );
        Option<int> memory = Accept.Number(
            "--memory",
            "Memory of the guest in MiB.",
            MemoryMebibytesMin,
            MemoryMebibytesMax,
            usual: 512
        );
        var isEmulated = new Option<bool>("--no-kvm") { Description = "Emulate the processor even where KVM works." };
        Option<int> timeout = Accept.Number(
            "--timeout",
            "Seconds a script may take, boot included; 0 for as long as it likes.",
            least: 0,
            TimeoutSecondsMax,
            ScriptTimeoutSeconds
        );
        var command = new DocumentedCommand("demo", "Start a Linux guest whose devices are Vireo processes.", Examples)
        {
            script,
            disk,
            processors,
            memory,
            isEmulated,
            timeout,
        };
        command.SetAction(result =>
        {
            byte[]? content = ReadScript(result.GetValue(script));
            var options = new DemoOptions
            {
                Script = content,
                DiskPath = result.GetValue(disk),
                ProcessorCount = result.GetValue(processors),
                MemoryMebibytes = result.GetValue(memory),
                IsEmulated = result.GetValue(isEmulated),
                TimeLimit = TimeSpan.FromSeconds(content is null ? 0 : result.GetValue(timeout)),
            };
            using var run = new DemoRun(options, context);
            return run.Run();
        });
        return command;
    }

    /// <summary>What is to run in place of a shell; null for a shell. Without a terminal there can be no shell.</summary>
    private static byte[]? ReadScript(string? path)
    {
        if (path is null)
        {
            return Console.IsInputRedirected || Console.IsOutputRedirected ? DemoFiles.Tour : null;
        }

        if (path is not "-")
        {
            return File.ReadAllBytes(path);
        }

        using Stream input = Console.OpenStandardInput();
        using var content = new MemoryStream();
        input.CopyTo(content);
        return content.ToArray();
    }
}
