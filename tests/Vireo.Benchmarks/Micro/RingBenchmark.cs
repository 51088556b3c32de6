using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Benchmarks.Micro;

/// <summary>What a request costs in the rings alone: nanoseconds per request in each role, no notification sent.</summary>
/// <remarks>
/// One thread plays both roles in turns of 64 requests, so that each step is timed by itself; the caches are warm. A request has three
/// pieces, like one of the block device, or one. Each figure is the median of several rounds.
/// </remarks>
internal sealed class RingBenchmark : IBenchmark
{
    private const int TurnRequests = 64;
    private const int TurnsPerRound = 4_000;
    private const int WarmUpRounds = 3;
    private const int Rounds = 9;
    private const ushort QueueSize = 256;
    private const ushort TableLength = 4;
    private const ulong MemoryBase = 0x1_0000_0000;

    private const string Row = "{0,-36} {1,6} {2,6} {3,7}   {4,6} {5,9} {6,7}   {7,6}";

    public string Name => "rings";

    public string Summary => "nanoseconds per request in both ring layouts and both roles";

    public int Run(string[] args)
    {
        Console.WriteLine($"ns per request, median of {Rounds} rounds of {TurnRequests * TurnsPerRound:N0}");
        Console.WriteLine(Row, "ring", "add", "take", "driver", "pop", "complete", "device", "both");
        foreach (bool isPacked in new bool[] { false, true })
        {
            foreach (Shape shape in Enum.GetValues<Shape>())
            {
                for (int bits = 0; bits < 4; bits++)
                {
                    Measure(isPacked, shape, hasEventIndex: (bits & 1) != 0, isInOrder: (bits & 2) != 0);
                }
            }
        }

        return 0;
    }

    private static void Measure(bool isPacked, Shape shape, bool hasEventIndex, bool isInOrder)
    {
        FeatureSet features = FeatureSet
            .Of(CoreFeature.Version1, CoreFeature.IndirectDescriptors)
            .WithIf(CoreFeature.RingPacked, isPacked)
            .WithIf(CoreFeature.EventIndex, hasEventIndex)
            .WithIf(CoreFeature.InOrder, isInOrder);
        using OwnedMemory memory = new(1 << 20);
        Session session = new(memory, features, shape);
        for (int round = 0; round < WarmUpRounds; round++)
        {
            session.RunRound();
        }

        var rounds = new Times[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            rounds[round] = session.RunRound();
        }

        double add = Median(rounds, static times => times.Add);
        double take = Median(rounds, static times => times.Take);
        double pop = Median(rounds, static times => times.Pop);
        double complete = Median(rounds, static times => times.Complete);
        string name =
            $"{(isPacked ? "packed" : "split")} {Describe(shape)}{(hasEventIndex ? " event_idx" : "")}{(isInOrder ? " in_order" : "")}";
        Console.WriteLine(
            Row,
            name,
            Nanoseconds(add),
            Nanoseconds(take),
            Nanoseconds(add + take),
            Nanoseconds(pop),
            Nanoseconds(complete),
            Nanoseconds(pop + complete),
            Nanoseconds(add + take + pop + complete)
        );
    }

    private static string Nanoseconds(double value) => value.ToString("F1", CultureInfo.InvariantCulture);

    private static string Describe(Shape shape) =>
        shape switch
        {
            Shape.OnePiece => "1 piece",
            Shape.ThreePieces => "3 pieces",
            _ => "3 in a table",
        };

    private static double Median(Times[] rounds, Func<Times, long> select)
    {
        long[] ticks = [.. rounds.Select(select).Order()];
        return ticks[ticks.Length / 2] * (1e9 / Stopwatch.Frequency) / (TurnRequests * TurnsPerRound);
    }

    private enum Shape
    {
        OnePiece,
        ThreePieces,
        Table,
    }

    /// <summary>Timestamp ticks spent in each step of a round.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Times(long Add, long Pop, long Complete, long Take);

    private sealed class Session
    {
        private readonly DriverQueue _driver;
        private readonly DeviceQueue _device;
        private readonly GuestRange[] _readable;
        private readonly GuestRange[] _writable;
        private readonly ushort[] _heads = new ushort[TurnRequests];

        public Session(OwnedMemory memory, FeatureSet features, Shape shape)
        {
            MappedMemory guest = new([memory.At(new(MemoryBase))]);
            QueueAreas areas = new(QueueSize, new(MemoryBase), new(MemoryBase + 0x4000), new(MemoryBase + 0x8000));
            IndirectTables? tables =
                shape == Shape.Table ? new IndirectTables(new(MemoryBase + 0xc000), TableLength) : null;
            _driver = DriverQueue.Create(areas, guest, features, tables);
            _device = DeviceQueue.Create(areas, QueueState.Fresh, guest, features);
            GuestRange header = new(new(MemoryBase + 0x40000), 16);
            GuestRange data = new(new(MemoryBase + 0x41000), 4096);
            GuestRange status = new(new(MemoryBase + 0x40020), 1);
            _readable = shape == Shape.OnePiece ? [] : [header];
            _writable = shape == Shape.OnePiece ? [data] : [data, status];
        }

        public Times RunRound()
        {
            long add = 0;
            long pop = 0;
            long complete = 0;
            long take = 0;
            for (int turn = 0; turn < TurnsPerRound; turn++)
            {
                long start = Stopwatch.GetTimestamp();
                _driver.SuppressCalls();
                for (int index = 0; index < TurnRequests; index++)
                {
                    _driver.TryAdd(_readable, _writable, (ulong)index);
                }

                _driver.Publish();
                long added = Stopwatch.GetTimestamp();
                _device.SuppressKicks();
                int count = 0;
                while (count < TurnRequests && _device.TryPop(out DescriptorChain chain))
                {
                    _heads[count++] = chain.Head;
                }

                long popped = Stopwatch.GetTimestamp();
                uint length = _readable.Length == 0 ? 4096u : 4097;
                for (int index = 0; index < count; index++)
                {
                    _device.Complete(_heads[index], length);
                }

                _device.Publish();
                _device.TryArmKicks();
                long completed = Stopwatch.GetTimestamp();
                int taken = 0;
                while (_driver.TryTake(out _))
                {
                    taken++;
                }

                _driver.TryArmCalls();
                long end = Stopwatch.GetTimestamp();
                if (taken != TurnRequests)
                {
                    throw new InvalidOperationException($"{taken} of {TurnRequests} requests came back");
                }

                add += added - start;
                pop += popped - added;
                complete += completed - popped;
                take += end - completed;
            }

            return new(add, pop, complete, take);
        }
    }
}
