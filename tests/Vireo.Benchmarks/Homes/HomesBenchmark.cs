using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Benchmarks.Homes;

/// <summary>What each home adds to one and the same block device: requests per second and processor time per request.</summary>
/// <remarks>
/// Reads of 4 KiB from a null disk over a split ring with EVENT_IDX, so that what is measured is ring, wake-ups and home. Nobody
/// polls: the driver sleeps until it is called, the device until it is kicked. Processor time is that of the whole process,
/// driver included, because Loopback has both on one thread. With <c>vdpa</c> the homes on the vDPA bus are measured, too, and the time
/// of the kernel's workers is added to that of the process; <c>./bench homes-guest</c> does that in a guest.
/// </remarks>
internal sealed class HomesBenchmark : IBenchmark
{
    /// <summary>Size of the disk: 1 GiB.</summary>
    public const long CapacitySectors = 1 << 21;

    /// <summary>How long a home may stay silent.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private const int Rounds = 5;
    private const uint BlockBytes = 4096;
    private const uint HeaderBytes = 16;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1.5);

    /// <summary>Where a clock counts instructions, what is measured for long is what is measured for a moment.</summary>
    private static readonly TimeSpan ShortRound = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(0.7);
    private static readonly int[] Depths = [1, 32];

    private static readonly (string Name, Func<HomeUnderLoad> Open)[] Homes =
    [
        ("Loopback (driver and device on one thread)", static () => new LoopbackUnderLoad()),
        ("vhost-user", static () => new VhostUserUnderLoad()),
        ("vfio-user, kicks past the socket", static () => new VfioUserUnderLoad(kicksByMessage: false)),
        ("vfio-user, kicks as messages", static () => new VfioUserUnderLoad(kicksByMessage: true)),
    ];

    private static readonly (string Name, Func<HomeUnderLoad> Open)[] HomesOnBus =
    [
        ("VDUSE, driven through vhost-vdpa", static () => new VduseUnderLoad(isProxyServed: false)),
        ("the same, `vireo proxy vhost-vdpa` behind vhost-user", static () => new VduseUnderLoad(isProxyServed: true)),
    ];

    public string Name => "homes";

    public string Summary => "the same block device in each home: requests per second and CPU per request";

    public int Run(string[] args)
    {
        if (args is not ([] or ["vdpa"]))
        {
            Console.Error.WriteLine("usage: homes [vdpa]");
            return 2;
        }

        bool isBusIncluded = args.Length > 0;
        TimeSpan round = isBusIncluded ? ShortRound : Round;
        Console.WriteLine(
            $"4 KiB reads from a null disk; median of {Rounds} rounds of {round.TotalSeconds} s; {Environment.ProcessorCount} processors"
        );
        Console.WriteLine();
        Console.WriteLine("| home | depth 1 | CPU per request | depth 32 | CPU per request |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach ((string name, Func<HomeUnderLoad> open) in isBusIncluded ? [.. Homes, .. HomesOnBus] : Homes)
        {
            List<string> cells = [name];
            foreach (int depth in Depths)
            {
                using HomeUnderLoad home = open();
                Load load = new(home, depth);
                load.Run(WarmUp, isBusIncluded);
                (double Rate, double MicrosecondsEach)[] rounds =
                [
                    .. Enumerable.Range(0, Rounds).Select(_ => load.Run(round, isBusIncluded)),
                ];
                double rate = rounds.Select(static result => result.Rate).Order().ElementAt(Rounds / 2);
                double cost = rounds.Select(static result => result.MicrosecondsEach).Order().ElementAt(Rounds / 2);
                string format = rate < 10_000 ? "F1" : "F0";
                cells.Add($"{(rate / 1000).ToString(format, CultureInfo.InvariantCulture)} k/s");
                cells.Add(string.Create(CultureInfo.InvariantCulture, $"{cost:F2} µs"));
            }

            Console.WriteLine($"| {string.Join(" | ", cells)} |");
        }

        return 0;
    }

    /// <summary>Keeps a number of requests under way.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly struct Load
    {
        private readonly HomeUnderLoad _home;
        private readonly int _depth;
        private readonly GuestRange[] _readable;
        private readonly GuestRange[] _writable;

        public Load(HomeUnderLoad home, int depth)
        {
            _home = home;
            _depth = depth;
            // All zeros: a read from the first sector.
            _readable = [home.Allocate(HeaderBytes)];
            _writable = [home.Allocate(BlockBytes), home.Allocate(1)];
        }

        /// <summary>Loads the home for a time, and waits for the last request.</summary>
        public (double Rate, double MicrosecondsEach) Run(TimeSpan duration, bool withKernelWork)
        {
            // What looking at the workers costs is not to be measured.
            TimeSpan kernelBefore = withKernelWork ? KernelWork.Read() : TimeSpan.Zero;
            TimeSpan processBefore = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            long lastProgress = start;
            int done = 0;
            int inFlight = Submit(_depth);
            while (inFlight > 0)
            {
                int taken = Take();
                if (taken == 0)
                {
                    _home.Wait();
                    if (Stopwatch.GetElapsedTime(lastProgress) > Patience)
                    {
                        throw new InvalidOperationException($"{inFlight} requests do not come back");
                    }

                    continue;
                }

                lastProgress = Stopwatch.GetTimestamp();
                done += taken;
                inFlight -= taken;
                if (Stopwatch.GetElapsedTime(start, lastProgress) < duration)
                {
                    inFlight += Submit(taken);
                }
            }

            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            TimeSpan process = Environment.CpuUsage.TotalTime - processBefore;
            TimeSpan kernel = withKernelWork ? KernelWork.Read() - kernelBefore : TimeSpan.Zero;
            double processor = (process + kernel).TotalMicroseconds;
            return (done / seconds, processor / done);
        }

        private int Submit(int count)
        {
            for (int index = 0; index < count; index++)
            {
                if (!_home.Queue.TryAdd(_readable, _writable, 0))
                {
                    throw new InvalidOperationException("the queue is too small for the depth");
                }
            }

            if (_home.Queue.Publish())
            {
                _home.Kick();
            }

            return count;
        }

        private int Take()
        {
            int taken = 0;
            while (_home.Queue.TryTake(out DriverCompletion completion))
            {
                if (completion.WrittenBytes != BlockBytes + 1)
                {
                    throw new InvalidOperationException($"{completion.WrittenBytes} bytes were written");
                }

                taken++;
            }

            return taken;
        }
    }
}
