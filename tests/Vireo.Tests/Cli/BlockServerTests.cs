using System.Diagnostics;
using System.Globalization;
using Vireo.Cli;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli;

/// <summary>What an operator changes around a disk that is served, and what the host does to it, seen by a driver of our own.</summary>
public sealed class BlockServerTests : IDisposable
{
    private const int MiB = 1 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _folder = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);

    private string SocketPath => _folder["disk.sock"];

    public void Dispose()
    {
        _loops.Dispose();
        _folder.Dispose();
    }

    [Fact]
    [Clause("block.drv.011")]
    public void HangUp_FileHasGrown_DriverSeesTheNewSize()
    {
        string image = MakeImage(MiB);
        using VireoProcess vireo = Serve(image);
        using BlockDriver driver = OpenDriver();
        Assert.Equal((ulong)MiB / 512, driver.CapacitySectors);

        SetLength(image, 3 * MiB);
        HangUp(vireo);

        Assert.True(SpinWait.SpinUntil(() => driver.CapacitySectors == 3 * MiB / 512, Patience), "the size stays");
        driver.Write(2 * MiB, Pattern(4096));
        Assert.Equal(Pattern(4096), Read(driver, 2 * MiB, 4096));

        // A request may be the first that looks; until the news has come, it is refused.
        SetLength(image, 4 * MiB);
        HangUp(vireo);
        Exception? refusal = null;
        Assert.True(
            SpinWait.SpinUntil(
                () => (refusal = Xunit.Record.Exception(() => driver.Write(3 * MiB, Pattern(4096)))) is null,
                Patience
            ),
            $"the disk does not grow: {refusal}"
        );
    }

    [Fact]
    public void Dispose_ServerIsGone_LetsItGo()
    {
        using VireoProcess vireo = Serve("--memory=1M");
        BlockDriver driver = OpenDriver();
        driver.Write(0, Pattern(4096));

        vireo.Kill();

        Assert.Throws<DriverException>(() => Read(driver, 0, 4096));
        driver.Dispose();
    }

    [Theory]
    [InlineData("writeback", "io_uring")]
    [InlineData("none", "io_uring")]
    [InlineData("writeback", "threads")]
    public void FileIsCutBehindOurBack_ReadsBeyondFail_AndTheRestGoesOn(string cache, string engine)
    {
        string image = MakeImage(2 * MiB);
        using VireoProcess vireo = Serve(image, "--cache", cache, "--engine", engine);
        using BlockDriver driver = OpenDriver();
        driver.Write(0, Pattern(8192));

        SetLength(image, MiB);

        Assert.Contains("IoError", ErrorOf(() => Read(driver, MiB, 4096)), StringComparison.Ordinal);
        Assert.Contains("IoError", ErrorOf(() => Read(driver, MiB - 4096, 8192)), StringComparison.Ordinal);
        Assert.Equal(Pattern(8192), Read(driver, 0, 8192));
        driver.Write(4096, Pattern(4096));
        driver.Flush();
        HangUp(vireo);
        Assert.True(SpinWait.SpinUntil(() => driver.CapacitySectors == MiB / 512, Patience), "the size stays");
    }

    [Theory]
    [InlineData("writeback", "io_uring")]
    [InlineData("writethrough", "threads")]
    public void HostIsFull_WritesFail_AndTheRestGoesOn(string cache, string engine)
    {
        using VireoProcess vireo = ServeOnSmallFileSystem("--cache", cache, "--engine", engine);
        using BlockDriver driver = OpenDriver();

        string error = ErrorOf(() => Fill(driver));

        Assert.Contains("IoError to a write", error, StringComparison.Ordinal);
        Assert.Equal(Pattern(4096), Read(driver, 0, 4096));
        driver.Discard(0, 2 * MiB);
        Assert.Equal(new byte[4096], Read(driver, 0, 4096));
        driver.Write(8192, Pattern(4096));
        driver.Flush();
        Assert.Equal(Pattern(4096), Read(driver, 8192, 4096));
    }

    [Fact]
    public void HostIsFull_WithPolicyEnospc_WritesWaitForRoom()
    {
        using VireoProcess vireo = ServeOnSmallFileSystem("--werror", "enospc");
        using BlockDriver driver = OpenDriver();
        Exception? failure = null;
        Thread writer = new(() => failure = Xunit.Record.Exception(() => Fill(driver)));
        writer.Start();
        Assert.True(
            SpinWait.SpinUntil(() => vireo.Error.Contains("the host is full", StringComparison.Ordinal), Patience),
            $"the disk does not stop; standard error: {vireo.Error}"
        );
        Assert.False(writer.Join(TimeSpan.FromMilliseconds(100)));

        // Another look at a host that is still full only stops the disk once more.
        HangUp(vireo);
        Assert.False(writer.Join(TimeSpan.FromMilliseconds(100)));
        File.Delete(InSmallFileSystem(vireo, "ballast"));
        HangUp(vireo);

        Assert.True(writer.Join(Patience), "the writes are never answered");
        Assert.Null(failure);
        Assert.Equal(Pattern(MiB), Read(driver, 5 * MiB, MiB));
    }

    [Fact]
    public void Stop_WhileTheDiskIsStopped_Ends()
    {
        using VireoProcess vireo = ServeOnSmallFileSystem("--werror", "stop");
        using BlockDriver driver = OpenDriver();
        Thread writer = new(() => Xunit.Record.Exception(() => Fill(driver))) { IsBackground = true };
        writer.Start();
        Assert.True(
            SpinWait.SpinUntil(() => vireo.Error.Contains("stopped", StringComparison.Ordinal), Patience),
            $"the disk does not stop; standard error: {vireo.Error}"
        );

        vireo.Terminate();

        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
    }

    [Fact]
    public void RegisteredMemory_DriverComesBack_IsRegisteredAnew()
    {
        using VireoProcess vireo = Serve(MakeImage(MiB), "--cache", "none", "--registered-memory", "--iopoll");
        for (int round = 0; round < 2; round++)
        {
            using BlockDriver driver = OpenDriver();
            driver.Write(round * 65536L, Pattern(65536));
            driver.Flush();
            Assert.Equal(Pattern(65536), Read(driver, round * 65536L, 65536));
        }

        Assert.DoesNotContain("not registered", vireo.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void RegisteredMemory_LimitOfLockedMemoryReached_SaysSoAndServes()
    {
        // In a name space of its own a user has no right to lock more than the limit.
        using var vireo = VireoProcess.StartProgram(
            "unshare",
            ["--user", "--map-root-user", "bash", "-c", "ulimit -l 64 && exec \"$@\"", "bash", VireoProcess.Program],
            ["block", MakeImage(MiB), "--vhost-user", SocketPath, "--cache", "none", "--registered-memory"]
        );
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        using BlockDriver driver = OpenDriver();
        driver.Write(0, Pattern(4096));

        Assert.Equal(Pattern(4096), Read(driver, 0, 4096));
        Assert.True(
            SpinWait.SpinUntil(
                () => vireo.Error.Contains("limit of locked memory", StringComparison.Ordinal),
                Patience
            ),
            $"nothing was said; standard error: {vireo.Error}"
        );
    }

    [Fact]
    public void Limits_OfRequestsPerSecond_AreKept()
    {
        using VireoProcess vireo = Serve("--memory=1M", "--iops", "200", "--iops-burst", "1");
        using BlockDriver driver = OpenDriver();
        long begin = Stopwatch.GetTimestamp();

        for (int request = 0; request < 40; request++)
        {
            Read(driver, 0, 512);
        }

        // 39 of them waited 5 ms each.
        Assert.InRange(Stopwatch.GetElapsedTime(begin).TotalMilliseconds, 150, 20_000);
    }

    [Fact]
    public void Zones_AreOffered_AndTheirStateIsKept()
    {
        string image = MakeImage(16 * MiB);
        string[] options = ["--zone-size", "1M", "--zone-conventional", "2", "--zone-state", _folder["zones"]];
        for (int round = 0; round < 2; round++)
        {
            using VireoProcess vireo = Serve([image, .. options]);
            using var proxy = VhostUserProxy.Connect(SocketPath, DeviceType.Block, new() { Loop = _loops[0] });
            Assert.True(proxy.OfferedFeatures.Contains(BlockFeatures.Zoned));
            vireo.Terminate();
            Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
        }

        Assert.True(new FileInfo(_folder["zones"]).Length > 0);
    }

    [Fact]
    public void SegmentLimits_AreShown()
    {
        using VireoProcess vireo = Serve("--null=1G", "--segments-max", "17", "--segment-size-max", "64K");
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(SocketPath, DeviceType.Block, new() { Loop = _loops[0] }),
            new() { SegmentsMax = 100 }
        );

        Assert.Equal(17, driver.SegmentsMax);
        Assert.True(driver.Has(BlockFeatures.SizeMax));
    }

    [Fact]
    public void OneDisk_TakesLessThan60MiB()
    {
        using VireoProcess vireo = Serve(MakeImage(64 * MiB));
        using BlockDriver driver = OpenDriver();
        for (int offset = 0; offset < 64 * MiB; offset += MiB)
        {
            driver.Write(offset, Pattern(MiB));
        }

        Assert.InRange(ResidentKiB(vireo.Id), 1, 60 * 1024);
    }

    private static string ErrorOf(Action action) => Assert.Throws<DriverException>(action).Message;

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++)
        {
            bytes[index] = (byte)(index % 251 + 1);
        }

        return bytes;
    }

    private static byte[] Read(BlockDriver driver, long offset, int length)
    {
        byte[] bytes = new byte[length];
        driver.Read(offset, bytes);
        return bytes;
    }

    /// <summary>Writes more than fits beside the ballast, and less than fits without.</summary>
    private static void Fill(BlockDriver driver)
    {
        for (int offset = 0; offset < 6 * MiB; offset += MiB)
        {
            driver.Write(offset, Pattern(MiB));
        }

        driver.Flush();
    }

    private static void HangUp(VireoProcess vireo)
    {
        using var kill = Process.Start("kill", ["-s", "HUP", vireo.Id.ToString(CultureInfo.InvariantCulture)]);
        Assert.True(kill.WaitForExit(Patience));
    }

    private static void SetLength(string image, long length)
    {
        using FileStream file = new(image, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(length);
    }

    private static long ResidentKiB(int process)
    {
        // What is mapped of the driver's memory is the driver's.
        long sum = 0;
        foreach (string line in File.ReadLines($"/proc/{process}/status"))
        {
            if (
                line.StartsWith("RssAnon:", StringComparison.Ordinal)
                || line.StartsWith("RssFile:", StringComparison.Ordinal)
            )
            {
                sum += long.Parse(
                    line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
                    CultureInfo.InvariantCulture
                );
            }
        }

        return sum;
    }

    private string MakeImage(long length)
    {
        using FileStream file = File.Create(_folder["disk.raw"]);
        file.SetLength(length);
        return file.Name;
    }

    private VireoProcess Serve(params string[] words)
    {
        var vireo = VireoProcess.Start(["block", "--vhost-user", SocketPath, .. words]);
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        return vireo;
    }

    /// <summary>Serves an image of 6 MiB on a file system of 8 MiB, of which 4 are taken; in a mount name space of its own.</summary>
    private VireoProcess ServeOnSmallFileSystem(params string[] words)
    {
        string folder = _folder["small"];
        Directory.CreateDirectory(folder);
        string script = $"""
            mount -t tmpfs -o size=8M small '{folder}' &&
            head -c 4M /dev/zero >'{folder}/ballast' && truncate -s 6M '{folder}/disk.raw' && exec "$@"
            """;
        string[] serve = ["block", Path.Combine(folder, "disk.raw"), "--vhost-user", SocketPath, .. words];
        var vireo = VireoProcess.StartProgram(
            "unshare",
            ["--user", "--map-root-user", "--mount", "bash", "-c", script, "bash", VireoProcess.Program],
            serve
        );
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        return vireo;
    }

    private string InSmallFileSystem(VireoProcess vireo, string name) =>
        $"/proc/{vireo.Id}/root{Path.Combine(_folder["small"], name)}";

    private BlockDriver OpenDriver() =>
        BlockDriver.Open(VhostUserProxy.Connect(SocketPath, DeviceType.Block, new() { Loop = _loops[0] }));
}
