using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Cli;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli;

/// <summary>What the host does to a qcow2 image that is served, seen by a driver of our own.</summary>
public sealed class ImageServerTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int Cluster = 65536;

    private readonly TemporaryFolder _folder = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);

    private string SocketPath => _folder["disk.sock"];

    private string SmallFolder => _folder["small"];

    public void Dispose()
    {
        _loops.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("writeback", "io_uring")]
    [InlineData("none", "io_uring")]
    [InlineData("writeback", "threads")]
    public void FileIsCutBehindOurBack_WhatIsGoneFails_AndNeverReadsAsZeroes(string cache, string engine)
    {
        string image = _folder["disk.qcow2"];
        Qcow2Image.Create(image, new() { LengthBytes = 8 * MiB, ClusterBytes = Cluster });
        using VireoProcess vireo = Serve(VireoProcess.Program, image, "--cache", cache, "--engine", engine);
        using BlockDriver driver = OpenDriver();
        for (int cluster = 0; cluster < 64; cluster++)
        {
            driver.Write(cluster * Cluster, Pattern(Cluster, cluster));
        }

        driver.Flush();
        using (FileStream file = new(image, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(file.Length - 32 * Cluster);
        }

        Assert.Equal(Pattern(Cluster, 3), Read(driver, 3 * Cluster));
        Assert.Contains("IoError", ErrorOf(() => Read(driver, 60 * Cluster)), StringComparison.Ordinal);

        // What is written anew is there again, and new clusters are.
        driver.Write(100 * Cluster, Pattern(Cluster, 100));
        driver.Write(61 * Cluster, Pattern(Cluster, 61));
        driver.Flush();
        Assert.Equal(Pattern(Cluster, 100), Read(driver, 100 * Cluster));
        Assert.Equal(Pattern(Cluster, 61), Read(driver, 61 * Cluster));
        Assert.Equal(Pattern(Cluster, 4), Read(driver, 4 * Cluster));
    }

    [Fact]
    public void FileWasCutBeforeItIsOpened_TablesThatAreGone_AreNoEmptyDisk()
    {
        string image = _folder["disk.qcow2"];
        Qcow2Image.Create(image, new() { LengthBytes = 8 * MiB, ClusterBytes = Cluster });
        using (DiskImage open = DiskImages.Open(image))
        {
            open.Write(0, Pattern(Cluster, 1));
        }

        using (FileStream file = new(image, FileMode.Open, FileAccess.Write))
        {
            file.SetLength(4 * Cluster);
        }

        using VireoProcess vireo = Serve(VireoProcess.Program, image);
        using BlockDriver driver = OpenDriver();
        Assert.Contains("IoError", ErrorOf(() => Read(driver, 0)), StringComparison.Ordinal);
        Assert.Contains("IoError", ErrorOf(() => driver.Write(0, Pattern(Cluster, 2))), StringComparison.Ordinal);
        Assert.True(
            SpinWait.SpinUntil(
                () => vireo.Error.Contains("before the end of the L2 table", StringComparison.Ordinal),
                TimeSpan.FromSeconds(20)
            ),
            $"nobody says why; standard error: {vireo.Error}"
        );
    }

    [Theory]
    [InlineData("writeback", "io_uring", 65536)]
    [InlineData("writethrough", "threads", 4096)]
    [InlineData("writeback", "threads", 512)]
    public void HostIsFull_WritesFail_NothingIsLost_AndTheImageStaysWhole(string cache, string engine, int clusterBytes)
    {
        using VireoProcess vireo = ServeOnSmallFileSystem(clusterBytes, "--cache", cache, "--engine", engine);
        using BlockDriver driver = OpenDriver();
        Dictionary<int, int> written = [];
        string error = "";
        for (int place = 0; place < 96 && error.Length == 0; place++)
        {
            try
            {
                driver.Write(place * Cluster, Pattern(Cluster, place));
                driver.Flush();
                written[place] = place;
            }
            catch (DriverException exception)
            {
                error = exception.Message;
            }
        }

        Assert.Contains("IoError", error, StringComparison.Ordinal);
        Assert.InRange(written.Count, 4, 90);
        AssertHolds(driver, written);
        AssertCopyIsWhole(vireo, written);

        // What is in the file can be written, full or not; with room again everything can.
        driver.Write(0, Pattern(Cluster, 200));
        written[0] = 200;
        File.Delete($"/proc/{vireo.Id}/root{Path.Combine(SmallFolder, "ballast")}");
        for (int place = 0; place < 90; place++)
        {
            driver.Write(place * Cluster, Pattern(Cluster, place + 1));
            written[place] = place + 1;
        }

        driver.Flush();
        AssertHolds(driver, written);
        AssertCopyIsWhole(vireo, written);
        vireo.Terminate();
        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
    }

    private static string ErrorOf(Action action) => Assert.Throws<DriverException>(action).Message;

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Read(BlockDriver driver, long offset)
    {
        byte[] bytes = new byte[Cluster];
        driver.Read(offset, bytes);
        return bytes;
    }

    private static void AssertHolds(BlockDriver driver, Dictionary<int, int> written)
    {
        foreach ((int place, int seed) in written)
        {
            Assert.Equal(Pattern(Cluster, seed), Read(driver, place * Cluster));
        }
    }

    /// <summary>What is in the file now, as after a sudden end.</summary>
    private void AssertCopyIsWhole(VireoProcess vireo, Dictionary<int, int> written)
    {
        string copy = _folder["copy.qcow2"];
        File.Copy($"/proc/{vireo.Id}/root{Path.Combine(SmallFolder, "disk.qcow2")}", copy, overwrite: true);
        Qcow2CheckResult result = Qcow2Image.Check(copy, Qcow2Repair.None);
        Assert.True(result.Corruptions == 0, string.Join("; ", result.Messages));
        using DiskImage image = DiskImages.Open(copy, new() { IsReadOnly = true });
        byte[] bytes = new byte[Cluster];
        foreach ((int place, int seed) in written)
        {
            image.Read(place * (long)Cluster, bytes);
            Assert.Equal(Pattern(Cluster, seed), bytes);
        }
    }

    private VireoProcess Serve(string program, params string[] words)
    {
        var vireo = VireoProcess.StartProgram(program, [], ["block", "--vhost-user", SocketPath, .. words]);
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        return vireo;
    }

    /// <summary>Serves an image of 6 MiB on a file system of 8 MiB, of which 4 are taken; in a mount name space of its own.</summary>
    private VireoProcess ServeOnSmallFileSystem(int clusterBytes, params string[] words)
    {
        Directory.CreateDirectory(SmallFolder);
        string image = Path.Combine(SmallFolder, "disk.qcow2");
        string script = $"""
            mount -t tmpfs -o size=8M small '{SmallFolder}' && head -c 4M /dev/zero >'{SmallFolder}/ballast' &&
            "$1" image create --cluster-size {clusterBytes} '{image}' 6M >&2 && exec "$@"
            """;
        var vireo = VireoProcess.StartProgram(
            "unshare",
            ["--user", "--map-root-user", "--mount", "bash", "-c", script, "bash", VireoProcess.Program],
            ["block", image, "--format", "qcow2", "--vhost-user", SocketPath, .. words]
        );
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        return vireo;
    }

    private BlockDriver OpenDriver() =>
        BlockDriver.Open(VhostUserProxy.Connect(SocketPath, DeviceType.Block, new() { Loop = _loops[0] }));
}
