using System.Diagnostics;
using System.Runtime.InteropServices;
using Vireo.Backends.Block.Null;
using Vireo.Backends.Entropy;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Devices.Entropy;
using Vireo.Homes.Loopback;

namespace Vireo.Benchmarks.Micro;

/// <summary>What a whole device does in one process and on one thread: requests per second through Loopback.</summary>
/// <remarks>
/// Driver role, device and backend take turns, one kick per batch of the stated depth; nothing crosses a thread or a system call
/// that the backend does not make itself.
/// </remarks>
internal sealed class LoopbackBenchmark : IBenchmark
{
    private const int RequestsPerRound = 200_000;
    private const int WarmUpRounds = 3;
    private const int Rounds = 9;
    private const uint SectorBytes = 4096;
    private const uint SampleBytes = 64;

    public string Name => "loopback";

    public string Summary => "requests per second of whole devices with the driver in the same process";

    public int Run(string[] args)
    {
        Console.WriteLine($"thousand requests per second, median of {Rounds} rounds of {RequestsPerRound:N0}");
        Console.WriteLine("{0,-32} {1,8} {2,8} {3,8}", "device, ring", "depth 1", "depth 32", "depth 128");
        foreach (bool isPacked in (bool[])[false, true])
        {
            FeatureSet ring = FeatureSet
                .Of(CoreFeature.Version1, CoreFeature.EventIndex)
                .WithIf(CoreFeature.RingPacked, isPacked);
            string layout = isPacked ? "packed" : "split";
            Print($"block, null disk, 4 KiB, {layout}", () => new BlockDevice(new NullDisk(1 << 21)), ring, BlockRead);
            Print($"entropy, 64 bytes, {layout}", () => new EntropyDevice(new KernelEntropy()), ring, Sample);
        }

        return 0;
    }

    private static void Print(
        string what,
        Func<VirtioDevice> make,
        FeatureSet ring,
        Func<LoopbackHome, Request> prepare
    )
    {
        double[] thousands = new double[3];
        int column = 0;
        foreach (int depth in (int[])[1, 32, 128])
        {
            using VirtioDevice device = make();
            using var home = LoopbackHome.Open(device, new() { RingFeatures = ring, QueueSize = 512 });
            Request request = prepare(home);
            double[] seconds = new double[Rounds];
            for (int round = -WarmUpRounds; round < Rounds; round++)
            {
                long start = Stopwatch.GetTimestamp();
                Exchange(home, in request, depth);
                if (round >= 0)
                {
                    seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
                }
            }

            Array.Sort(seconds);
            thousands[column++] = RequestsPerRound / seconds[Rounds / 2] / 1000;
        }

        Console.WriteLine("{0,-32} {1,8:F0} {2,8:F0} {3,8:F0}", what, thousands[0], thousands[1], thousands[2]);
    }

    private static void Exchange(LoopbackHome home, in Request request, int depth)
    {
        DriverQueue queue = home.Queue(0);
        int done = 0;
        while (done < RequestsPerRound)
        {
            for (int count = 0; count < depth; count++)
            {
                if (!queue.TryAdd(request.Readable, request.Writable, 0))
                {
                    throw new InvalidOperationException("the queue is too small for the depth");
                }
            }

            if (queue.Publish())
            {
                home.Kick(0);
            }
            else
            {
                home.Run();
            }

            int taken = 0;
            while (queue.TryTake(out DriverCompletion completion))
            {
                if (completion.WrittenBytes != request.ExpectedBytes)
                {
                    throw new InvalidOperationException($"{completion.WrittenBytes} bytes were written");
                }

                taken++;
            }

            if (taken != depth)
            {
                throw new InvalidOperationException($"{taken} of {depth} requests came back");
            }

            done += taken;
        }
    }

    /// <summary>A read of one block: header, data, status.</summary>
    private static Request BlockRead(LoopbackHome home)
    {
        // Type 0 (IN), reserved, sector 0.
        GuestRange header = home.Allocate(new byte[16]);
        return new([header], [home.Allocate(SectorBytes), home.Allocate(1)], SectorBytes + 1);
    }

    private static Request Sample(LoopbackHome home) => new([], [home.Allocate(SampleBytes)], SampleBytes);

    /// <summary>One request that is made over and over.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Request(GuestRange[] Readable, GuestRange[] Writable, uint ExpectedBytes);
}
