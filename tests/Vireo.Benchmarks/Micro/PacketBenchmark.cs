using System.Diagnostics;
using System.Globalization;
using Vireo.Backends.Net.Null;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.Loopback;

namespace Vireo.Benchmarks.Micro;

/// <summary>What a packet costs in the network device: nanoseconds of the device's part alone.</summary>
/// <remarks>
/// One thread plays driver and device in turns of 64 packets with warm caches. A turn of the device is timed by itself; the figure is the
/// median of all turns, so whatever else the machine does shows in few of them.
/// </remarks>
internal sealed class PacketBenchmark : IBenchmark
{
    private const int TurnPackets = 64;
    private const int WarmUpTurns = 40_000;
    private const int Turns = 100_000;
    private const int HeaderBytes = 12;
    private const uint BufferBytes = 2048;

    public string Name => "packets";

    public string Summary => "nanoseconds per packet in the network device: DIRECTION BYTES split|packed, or all";

    public int Run(string[] args)
    {
        Console.WriteLine($"ns of the device per packet, median of {Turns:N0} turns of {TurnPackets}");
        foreach (int frameBytes in (int[])[64, 1518])
        {
            foreach (string direction in (string[])["send", "receive", "echo"])
            {
                foreach (string ring in (string[])["split", "packed"])
                {
                    foreach (string order in (string[])["any", "in-order"])
                    {
                        string name = $"{direction} {frameBytes} {ring} {order}";
                        if (name.Contains(string.Join(' ', args), StringComparison.Ordinal))
                        {
                            Measure(name, direction, frameBytes, ring is "packed", order is "in-order");
                        }
                    }
                }
            }
        }

        return 0;
    }

    private static void Measure(string name, string direction, int frameBytes, bool isPacked, bool isInOrder)
    {
        INetPort port = direction switch
        {
            "send" => new NullPort(),
            "receive" => new GeneratorPort(frameBytes),
            _ => new LoopbackPort(),
        };
        FeatureSet ring = FeatureSet
            .Of(CoreFeature.Version1)
            .WithIf(CoreFeature.RingPacked, isPacked)
            .WithIf(CoreFeature.InOrder, isInOrder);
        using NetDevice device = new(port, new());
        using var home = LoopbackHome.Open(
            device,
            new()
            {
                DeviceFeatures = FeatureSet.Of(NetFeatures.MergeReceiveBuffers),
                RingFeatures = ring,
                QueueSize = 256,
            }
        );
        GuestRange packets = home.Allocate(TurnPackets * BufferBytes);
        GuestRange buffers = home.Allocate(TurnPackets * BufferBytes);
        long[] ticks = new long[Turns];
        for (int turn = -WarmUpTurns; turn < Turns; turn++)
        {
            int expected = 0;
            if (direction is not "send")
            {
                expected += Add(home.Queue(0), buffers, BufferBytes, isWritable: true);
            }

            if (direction is not "receive")
            {
                expected += Add(home.Queue(1), packets, (uint)(HeaderBytes + frameBytes), isWritable: false);
            }

            long start = Stopwatch.GetTimestamp();
            home.Kick(direction is "receive" ? 0 : 1);
            long end = Stopwatch.GetTimestamp();
            int taken = Take(home.Queue(0)) + Take(home.Queue(1));
            if (taken != expected)
            {
                throw new InvalidOperationException($"{name}: {taken} of {expected} buffers came back");
            }

            ticks[Math.Max(turn, 0)] = end - start;
        }

        Array.Sort(ticks);
        double nanoseconds = ticks[Turns / 2] * (1e9 / Stopwatch.Frequency) / TurnPackets;
        Console.WriteLine($"{name, -30} {nanoseconds.ToString("F1", CultureInfo.InvariantCulture), 8}");
    }

    private static int Add(DriverQueue queue, GuestRange buffers, uint lengthBytes, bool isWritable)
    {
        for (int index = 0; index < TurnPackets; index++)
        {
            GuestRange range = new(buffers.Address + (ulong)(index * (int)BufferBytes), lengthBytes);
            queue.TryAdd(isWritable ? [] : [range], isWritable ? [range] : [], tag: 0);
        }

        queue.Publish();
        return TurnPackets;
    }

    private static int Take(DriverQueue queue)
    {
        int taken = 0;
        while (queue.TryTake(out _))
        {
            taken++;
        }

        return taken;
    }
}
