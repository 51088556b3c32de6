using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Demo;

/// <summary>What a newcomer types first: <c>vireo demo</c>.</summary>
[TakesLong(50)]
public sealed class DemoTests : GuestTest
{
    /// <summary>Ended by SIGTERM, as shells tell it.</summary>
    private const int TerminatedStatus = 128 + 15;

    /// <summary>Ended by SIGKILL.</summary>
    private const int KilledStatus = 128 + 9;

    private static readonly TimeSpan Patience = RigTimeouts.Boot + RigTimeouts.Program;

    [Fact]
    public void WithoutATerminalATourShowsThatTheDevicesWork()
    {
        ChildProcess demo = StartDemo();

        Assert.Equal(0, demo.WaitForExit(Patience));
        string output = string.Join('\n', demo.Output.Lines());
        Assert.Contains("disk:    /dev/vda, 256 MiB, 2 queues", output, StringComparison.Ordinal);
        Assert.Contains("16 MiB written, read back after unmounting: the same", output, StringComparison.Ordinal);
        Assert.Contains("driver virtio_rng.0", output, StringComparison.Ordinal);
        AssertNothingIsLeft();
    }

    [Fact]
    public void AScriptHasADiskOfOnesOwn_AndItsStatusAndOutputBecomeTheCommands()
    {
        string script = InScratch("script.sh");
        string disk = InScratch("own.raw");
        File.WriteAllText(
            script,
            "echo only this; echo 'and this' >&2; echo kept | dd of=/dev/vda conv=notrunc 2>/dev/null && sync && exit 42"
        );
        using (FileStream file = File.Create(disk))
        {
            file.SetLength(1024 * 1024);
        }

        ChildProcess demo = StartDemo("--script", script, "--disk", disk, "--cpus", "1");

        Assert.Equal(42, demo.WaitForExit(Patience));
        Assert.Equal(["only this", "and this"], demo.Output.Lines());
        using FileStream written = File.OpenRead(disk);
        byte[] start = new byte[5];
        written.ReadExactly(start);
        Assert.Equal("kept\n", Encoding.UTF8.GetString(start));
        AssertNothingIsLeft();
    }

    [Fact]
    public void SigtermEndsAllItStarted()
    {
        string script = InScratch("script.sh");
        File.WriteAllText(script, "echo in the guest; sleep 1000");
        ChildProcess demo = StartDemo("--script", script, "--cpus", "1");
        demo.WaitForOutput("in the guest", Patience);
        Assert.NotEmpty(ProcessesOfThisTest());

        demo.Signal(UnixSignal.Terminate);

        Assert.Equal(TerminatedStatus, demo.WaitForExit(RigTimeouts.Program));
        WaitUntil(static words => words.Count == 0, RigTimeouts.Program);
    }

    [Fact]
    public void DeathOfTheCommandEndsAllItStarted()
    {
        string script = InScratch("script.sh");
        File.WriteAllText(script, "sleep 1000");
        ChildProcess demo = StartDemo("--script", script);
        // QEMU is the last it starts, when all devices serve.
        WaitUntil(words => words.Any(line => line.Contains("-nodefaults", StringComparison.Ordinal)), Patience);

        demo.Signal(UnixSignal.Kill);

        Assert.Equal(KilledStatus, demo.WaitForExit(RigTimeouts.Program));
        WaitUntil(static words => words.Count == 0, RigTimeouts.Program);
    }

    [Fact]
    public void AScriptThatTakesTooLongIsEnded()
    {
        string script = InScratch("script.sh");
        File.WriteAllText(script, "sleep 1000");

        ChildProcess demo = StartDemo("--script", script, "--timeout", "1");

        Assert.Equal(124, demo.WaitForExit(Patience));
        AssertNothingIsLeft();
    }

    [Fact]
    public void OnATerminalThereIsAShell()
    {
        // script(1) gives the command a terminal, and passes our input on to it.
        var start = new ProcessStartInfo("script", ["-qefc", $"'{Repository.VireoProgram}' demo --cpus 1", "/dev/null"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["TMPDIR"] = Scratch;
        using Process demo = Process.Start(start)!;
        try
        {
            string greeting = ReadUntil(demo, "guest:/mnt# ");
            demo.StandardInput.Write("echo $((6 * 7)) on $(wc -l </proc/partitions) lines; false\n");
            demo.StandardInput.Flush();
            string answer = ReadUntil(demo, "guest:/mnt# ");
            demo.StandardInput.Write("exit\n");
            demo.StandardInput.Flush();
            Assert.True(demo.WaitForExit(Patience));

            Assert.Contains("vireo block, process", greeting, StringComparison.Ordinal);
            Assert.Contains("42 on ", answer, StringComparison.Ordinal);
            Assert.Equal(0, demo.ExitCode);
            AssertNothingIsLeft();
        }
        finally
        {
            if (!demo.HasExited)
            {
                demo.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>Reads until something stands in the output, for as long as a boot may take.</summary>
    private static string ReadUntil(Process process, string part)
    {
        var text = new StringBuilder();
        char[] buffer = new char[1024];
        using var limit = new CancellationTokenSource(Patience);
        while (!text.ToString().Contains(part, StringComparison.Ordinal))
        {
            int count = process
                .StandardOutput.ReadAsync(buffer.AsMemory(), limit.Token)
                .AsTask()
                .GetAwaiter()
                .GetResult();
            Assert.True(count > 0, $"the output ended without '{part}':\n{text}");
            text.Append(buffer, 0, count);
        }

        return text.ToString();
    }

    /// <summary>Starts it with its temporary files in this test's folder.</summary>
    private ChildProcess StartDemo(params string[] arguments) =>
        StartProgram("env", [$"TMPDIR={Scratch}", Repository.VireoProgram, "demo", .. arguments]);

    /// <summary>Waits until the processes of this test are as they should be.</summary>
    private void WaitUntil(Predicate<List<string>> isReached, TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        List<string> words = ProcessesOfThisTest();
        while (!isReached(words))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < limit, $"still: {string.Join('\n', words)}");
            Thread.Sleep(50);
            words = ProcessesOfThisTest();
        }
    }

    private void AssertNothingIsLeft()
    {
        Assert.Empty(ProcessesOfThisTest());
        Assert.Empty(Directory.GetDirectories(Scratch, "vireo-demo-*"));
    }

    /// <summary>The processes that have a demonstration's folder of this test on their command line.</summary>
    private List<string> ProcessesOfThisTest()
    {
        List<string> found = [];
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out _))
            {
                continue;
            }

            try
            {
                string words = File.ReadAllText(Path.Combine(folder, "cmdline")).Replace('\0', ' ');
                if (words.Contains($"{Scratch}/vireo-demo-", StringComparison.Ordinal))
                {
                    found.Add(words);
                }
            }
            catch (IOException)
            {
                // It has ended since the folder was listed.
            }
        }

        return found;
    }
}
