using System.Diagnostics;
using System.Globalization;
using Vireo.Core.Spec;
using Vireo.Drivers.Block;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Tests.Cli;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Simulation;

/// <summary>
/// Kill -9 of the built program while our driver writes, again and again: what was acknowledged is there, and each request is answered once.
/// Three kills for each kind of ring, or as many in all as VIREO_KILLS says.
/// </summary>
public sealed class KillTests(ITestOutputHelper output) : IDisposable
{
    private const int UsualKills = 12;
    private const int RingKinds = 4;
    private const long DiskBytes = 16 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();

    private string Image => _folder["disk.raw"];

    private string SocketPath => _folder["disk.sock"];

    private string OtherSocketPath => _folder["other.sock"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 4)]
    [InlineData(true, 1)]
    [InlineData(true, 4)]
    public void Kill_UnderLoad_LosesNothingAndRepeatsNothing(bool isPacked, int queueCount)
    {
        int seed = Number("VIREO_KILL_SEED", Random.Shared.Next());
        output.WriteLine($"seed {seed}");
        int kills = Math.Max(1, Number("VIREO_KILLS", UsualKills) / RingKinds);
        using (FileStream image = File.Create(Image))
        {
            image.SetLength(DiskBytes);
        }

        Run(isPacked, queueCount, kills, seed);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 4)]
    [InlineData(true, 1)]
    [InlineData(true, 4)]
    public void Move_UnderLoad_GoesOnInTheOtherProcessFromTheSavedState(bool isPacked, int queueCount)
    {
        int seed = Number("VIREO_KILL_SEED", Random.Shared.Next());
        output.WriteLine($"seed {seed}");
        const int Moves = 20;
        Random random = new(seed);
        using (FileStream image = File.Create(Image))
        {
            image.SetLength(DiskBytes);
        }

        using var control = EventLoopGroup.Start(1);
        using VireoProcess first = StartVireo(queueCount, SocketPath, "--no-lock");
        using VireoProcess second = StartVireo(queueCount, OtherSocketPath, "--no-lock");
        using BlockDriver driver = OpenDriver(isPacked, queueCount, control[0]);
        KillLoad[] loads =
        [
            .. Enumerable.Range(0, queueCount).Select(queue => new KillLoad(driver, queue, seed + queue)),
        ];
        try
        {
            for (int move = 0; move < Moves; move++)
            {
                WaitForProgress(loads, random.Next(1, 200));
                string target = move % 2 == 0 ? OtherSocketPath : SocketPath;
                driver.Session.MoveTo(Connect(target, queueCount, control[0]));
            }

            WaitForProgress(loads, 100);
            foreach (KillLoad load in loads)
            {
                load.Stop();
            }

            Check(loads, [.. loads.Select(static _ => new long[KillLoad.BlockCount])]);
            output.WriteLine($"{Moves} moves, {Sum(loads, static load => load.Completed)} requests");
        }
        finally
        {
            foreach (KillLoad load in loads)
            {
                load.Dispose();
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;

    private static long Sum(KillLoad[] loads, Func<KillLoad, long> of)
    {
        long sum = 0;
        foreach (KillLoad load in loads)
        {
            load.ThrowIfFailed();
            sum += of(load);
        }

        return sum;
    }

    private static void WaitForProgress(KillLoad[] loads, long requests)
    {
        long begin = Sum(loads, static load => load.Completed);
        Assert.True(
            SpinWait.SpinUntil(() => Sum(loads, static load => load.Completed) >= begin + requests, Patience),
            "requests are not answered any more"
        );
    }

    private void Run(bool isPacked, int queueCount, int kills, int seed)
    {
        Random random = new(seed);
        using var control = EventLoopGroup.Start(1);
        VireoProcess vireo = StartVireo(queueCount);
        using BlockDriver driver = OpenDriver(isPacked, queueCount, control[0]);
        Assert.Equal(queueCount, driver.QueueCount);
        Assert.Equal(isPacked, driver.Features.Contains(CoreFeature.RingPacked));
        var loads = new KillLoad[queueCount];
        long[][] versions = new long[queueCount][];
        Tally tally = new();
        try
        {
            for (int queue = 0; queue < queueCount; queue++)
            {
                loads[queue] = new(driver, queue, seed + queue);
                versions[queue] = new long[KillLoad.BlockCount];
            }

            for (int kill = 0; kill < kills; kill++)
            {
                WaitForProgress(loads, random.Next(1, 2000));
                vireo.Kill();
                long killed = Stopwatch.GetTimestamp();
                vireo.Dispose();
                tally.Unacknowledged += Check(loads, versions);
                tally.InFlight += Sum(loads, static load => load.InFlight);
                vireo = StartVireo(queueCount);
                WaitForProgress(loads, 1);
                tally.Away += Stopwatch.GetElapsedTime(killed);
            }

            foreach (KillLoad load in loads)
            {
                load.Stop();
            }

            Check(loads, versions);
            long completed = Sum(loads, static load => load.Completed);
            output.WriteLine(
                $"{(isPacked ? "packed" : "split")}, {queueCount} queues: {kills} kills, {completed} requests, {tally.InFlight} in "
                    + $"flight at kills, {tally.Unacknowledged} of them written but not acknowledged, away "
                    + $"{tally.Away.TotalMilliseconds / kills:f0} ms on average"
            );
            Assert.NotEqual(0, tally.InFlight);
        }
        finally
        {
            foreach (KillLoad? load in loads)
            {
                load?.Dispose();
            }

            vireo.Dispose();
        }
    }

    private long Check(KillLoad[] loads, long[][] versions)
    {
        long unacknowledged = 0;
        using FileStream disk = new(Image, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        for (int queue = 0; queue < loads.Length; queue++)
        {
            unacknowledged += loads[queue].Check(disk, versions[queue]);
        }

        return unacknowledged;
    }

    private VireoProcess StartVireo(int queueCount) => StartVireo(queueCount, SocketPath);

    private VireoProcess StartVireo(int queueCount, string socket, params string[] options)
    {
        var vireo = VireoProcess.Start([
            "block",
            Image,
            "--vhost-user",
            socket,
            "--queues",
            $"{queueCount}",
            .. options,
        ]);
        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        return vireo;
    }

    private static VhostUserProxy Connect(string socket, int queueCount, EventLoop control) =>
        VhostUserProxy.Connect(
            socket,
            DeviceType.Block,
            new()
            {
                QueueCount = queueCount,
                Loop = control,
                ReconnectDelay = TimeSpan.FromMilliseconds(5),
            }
        );

    private BlockDriver OpenDriver(bool isPacked, int queueCount, EventLoop control)
    {
        VhostUserProxy proxy = Connect(SocketPath, queueCount, control);
        Assert.True(proxy.HasInflight);
        var rings = FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);
        return BlockDriver.Open(
            proxy,
            new() { QueueCount = queueCount, RingFeatures = isPacked ? rings.With(CoreFeature.RingPacked) : rings }
        );
    }

    /// <summary>What was counted.</summary>
    private sealed class Tally
    {
        public long InFlight { get; set; }

        public long Unacknowledged { get; set; }

        public TimeSpan Away { get; set; }
    }
}
