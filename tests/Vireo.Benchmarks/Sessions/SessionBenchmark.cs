using System.Diagnostics;
using System.Globalization;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Homes.VhostUser;

namespace Vireo.Benchmarks.Sessions;

/// <summary>Random reads through our driver from a vhost-user back-end in another process.</summary>
/// <remarks>
/// <c>session SOCKET DEPTH SECONDS poll|wait split|packed</c> prints one number: requests per second. It does what
/// <c>eng/bench/blkioload.c</c> does with libblkio; <c>./bench rings</c> runs both.
/// </remarks>
internal sealed class SessionBenchmark : IBenchmark
{
    private const int BlockBytes = 4096;
    private const int BlockSectors = BlockBytes / 512;
    private const int DepthMax = 256;
    private const ulong Seed = 88172645463325252;

    /// <summary>Long enough for the loop to be compiled for good.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    public string Name => "session";

    public string Summary => "requests per second of the block driver: SOCKET DEPTH SECONDS poll|wait split|packed";

    public int Run(string[] args)
    {
        if (
            args is not [string path, string depthText, string secondsText, "poll" or "wait", "split" or "packed"]
            || !int.TryParse(depthText, NumberStyles.None, CultureInfo.InvariantCulture, out int depth)
            || depth is < 1 or > DepthMax
            || !double.TryParse(secondsText, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
            || seconds is not (> 0 and <= 3600)
        )
        {
            Console.Error.WriteLine(
                $"usage: session SOCKET DEPTH SECONDS poll|wait split|packed, with DEPTH from 1 to {DepthMax}"
            );
            return 2;
        }

        FeatureSet rings = FeatureSet
            .Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex)
            .WithIf(CoreFeature.RingPacked, args[4] is "packed");
        using var disk = BlockDriver.Open(
            VhostUserProxy.Connect(path, DeviceType.Block, new() { QueueSizeMax = DepthMax }),
            new() { Depth = depth, RingFeatures = rings }
        );
        if (args[4] is "packed" && !disk.Has(CoreFeature.RingPacked))
        {
            Console.Error.WriteLine("the back-end has no packed rings");
            return 1;
        }

        Load load = new(disk, depth, isWaiting: args[3] is "wait");
        load.Run(WarmUp);
        Console.WriteLine(load.Run(TimeSpan.FromSeconds(seconds)).ToString("F0", CultureInfo.InvariantCulture));
        return 0;
    }

    private sealed class Load
    {
        private readonly BlockQueue _queue;
        private readonly DriverBuffer[] _buffers;
        private readonly BlockCompletion[] _completions;
        private readonly ulong _blocks;
        private readonly bool _isWaiting;
        private ulong _random = Seed;

        public Load(BlockDriver disk, int depth, bool isWaiting)
        {
            _queue = disk.Queue(0);
            _blocks = disk.CapacitySectors / BlockSectors;
            _isWaiting = isWaiting;
            _completions = new BlockCompletion[depth];
            DriverBuffer memory = disk.Memory.Allocate(depth * BlockBytes);
            _buffers = [.. Enumerable.Range(0, depth).Select(slot => memory.Slice(slot * BlockBytes, BlockBytes))];
            for (int slot = 0; slot < depth; slot++)
            {
                Read(slot);
            }
        }

        /// <summary>Keeps the queue full for a while.</summary>
        /// <returns>Requests per second.</returns>
        public double Run(TimeSpan duration)
        {
            long count = 0;
            long start = Stopwatch.GetTimestamp();
            long end = start + (long)(duration.TotalSeconds * Stopwatch.Frequency);
            long now = start;
            while (now < end)
            {
                count += Turn();
                now = Stopwatch.GetTimestamp();
            }

            return count / Stopwatch.GetElapsedTime(start, now).TotalSeconds;
        }

        /// <summary>Sends what was read, takes what is done, reads again.</summary>
        /// <remarks>A method of its own, because the runtime compiles one for good that is called often, not one that loops for long.</remarks>
        /// <returns>How many requests were done.</returns>
        private int Turn()
        {
            _queue.Submit();
            int done = _isWaiting ? _queue.Wait(_completions, Timeout.InfiniteTimeSpan) : _queue.Complete(_completions);
            foreach (BlockCompletion completion in _completions.AsSpan(0, done))
            {
                if (!completion.IsDone)
                {
                    throw new DriverException($"the device answered {completion.Status}");
                }

                Read((int)completion.Tag);
            }

            return done;
        }

        private void Read(int slot)
        {
            _random ^= _random << 13;
            _random ^= _random >> 7;
            _random ^= _random << 17;
            if (!_queue.TryRead(_random % _blocks * BlockSectors, in _buffers[slot], (ulong)slot))
            {
                throw new InvalidOperationException("the queue is smaller than the depth");
            }
        }
    }
}
