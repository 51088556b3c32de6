using System.Runtime.CompilerServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>A device that crashes at any moment, and a successor that goes on from the in-flight region.</summary>
public sealed class InflightTests
{
    public static TheoryData<bool, bool, int> Layouts
    {
        get
        {
            TheoryData<bool, bool, int> data = [];
            foreach (bool isInOrder in new bool[] { false, true })
            {
                foreach (int size in new int[] { 1, 2, 4, 16 })
                {
                    data.Add(false, isInOrder, size);
                }

                foreach (int size in new int[] { 1, 2, 3, 16 })
                {
                    data.Add(true, isInOrder, size);
                }
            }

            return data;
        }
    }

    [Theory]
    [InlineData(false, 4, 16 + 4 * 16)]
    [InlineData(true, 5, 32 + 5 * 32)]
    public void RequiredBytes_IsHeaderAndEntriesRoundedUp(bool isPacked, int size, int bytes) =>
        Assert.Equal((bytes + 63) / 64 * 64, InflightRegion.RequiredBytes((ushort)size, isPacked));

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Crashes_BetweenAnySteps_LoseAndRepeatNothing(bool isPacked, bool isInOrder, int size)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            using CrashingPair pair = new(new(isPacked, (ushort)size, seed % 2 == 0, false, isInOrder), seed);
            for (int step = 0; step < 2_000; step++)
            {
                pair.Step(canCrash: true);
            }

            pair.Finish();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Crash_BetweenTheStoresOfAPublication_LosesAndRepeatsNothing(bool isPacked)
    {
        // Positions of the ring and of its round are different each time.
        for (int shift = 0; shift < 12; shift++)
        {
            for (int stores = 0; stores <= StoreOrder.Count(isPacked); stores++)
            {
                using CrashingPair pair = new(new(isPacked, 4, true, false, false), seed: shift);
                pair.Exchange(shift);
                pair.Take(3);
                int first = pair.Bench.Device.State.UsedIndex;
                pair.Complete(1);
                pair.Complete(0);
                byte[] before = pair.Shared.ToArray();
                pair.Publish();
                byte[] after = pair.Shared.ToArray();

                StoreOrder order = new(pair, first, before, after);
                order.Apply(pair.Shared, stores);
                pair.Crash(isPublished: order.IsPublished(stores));
                pair.Finish();
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Create_RegionOfAnotherKind_IsRefused(bool isPacked)
    {
        using RingBench bench = new(new(isPacked, 4, true, false, false));
        GuestRange memory = bench.Allocate((uint)InflightRegion.RequiredBytes(4, isPacked), 64);
        InflightRegion region = RegionAt(bench, memory);
        DeviceQueue Open(InflightRegion given) =>
            DeviceQueue.Create(bench.Areas, QueueState.Fresh, bench.Memory, bench.Variant.Features, given);

        Assert.Throws<RingException>(() => Open(region with { LengthBytes = 16 }));
        Assert.Throws<RingException>(() => Open(region with { Address = region.Address + 4 }));
        bench.At<Le16>(memory.Address + 8) = 2;
        Assert.Throws<RingException>(() => Open(region));
        bench.At<Le16>(memory.Address + 8) = 0;
        Open(region);
        Assert.Equal(1, bench.At<Le16>(memory.Address + 8).Value);
        Assert.Equal(4, bench.At<Le16>(memory.Address + 10).Value);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Create_RegionOfAQueueOfAnotherSize_BeginsAnew(bool isPacked)
    {
        using CrashingPair pair = new(new(isPacked, 4, true, false, false), seed: 1);
        pair.Take(3);
        pair.Bench.At<Le16>(pair.RegionRange.Address + 10) = 3;

        var queue = DeviceQueue.Create(
            pair.Bench.Areas,
            QueueState.Fresh,
            pair.Bench.Memory,
            pair.Bench.Variant.Features,
            RegionAt(pair.Bench, pair.RegionRange)
        );

        Assert.Equal(4, pair.Bench.At<Le16>(pair.RegionRange.Address + 10).Value);
        // Nothing is inherited: the chains are taken from the ring, where they still stand.
        Assert.Equal(QueueState.Fresh, queue.State);
        Assert.True(queue.TryPop(out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Create_RegionThatSomebodyWroteTo_IsRefusedOrLeavesAWorkingQueue(bool isPacked)
    {
        using CrashingPair pair = new(new(isPacked, 4, true, false, false), seed: 1);
        pair.Exchange(3);
        pair.Take(3);
        pair.Complete(1);
        pair.Publish();
        byte[] good = pair.Shared.ToArray();
        Span<byte> region = pair.Bench.Bytes(pair.RegionRange);
        Random random = new(3);
        int refused = 0;
        const int Rounds = 20_000;
        for (int round = 0; round < Rounds; round++)
        {
            good.CopyTo(pair.Shared);
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                region[random.Next(region.Length)] = (byte)(random.Next(2) == 0 ? random.Next(256) : random.Next(6));
            }

            try
            {
                var queue = DeviceQueue.Create(
                    pair.Bench.Areas,
                    QueueState.Fresh,
                    pair.Bench.Memory,
                    pair.Bench.Variant.Features,
                    RegionAt(pair.Bench, pair.RegionRange)
                );
                for (int pop = 0; pop < 8 && queue.TryPop(out DescriptorChain chain); pop++)
                {
                    queue.Complete(chain.Head, 0);
                    // The other side may write at any time.
                    random.NextBytes(region);
                    queue.Publish();
                }
            }
            catch (RingException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 1, Rounds - 1);
    }

    private static unsafe InflightRegion RegionAt(RingBench bench, GuestRange memory) =>
        new((nint)Unsafe.AsPointer(ref bench.At<byte>(memory.Address)), memory.LengthBytes);

    /// <summary>A driver, a device that may crash, and what both must have seen.</summary>
    private sealed class CrashingPair : IDisposable
    {
        private readonly Random _random;
        private readonly InflightRegion _region;
        private readonly GuestRange[] _requests;

        /// <summary>What the device took and did not publish, in the order in which it was taken; and whether it is completed.</summary>
        private readonly List<(ushort Head, ulong Tag, bool IsCompleted)> _held = [];

        private readonly HashSet<ulong> _inFlight = [];
        private readonly Stack<GuestRange> _freeRequests;
        private readonly Dictionary<ulong, GuestRange> _requestByTag = [];
        private ulong _nextTag;

        public CrashingPair(RingVariant variant, int seed)
        {
            _random = new(seed);
            Bench = new(variant, memoryBytes: 64 << 10);
            RegionRange = Bench.Allocate(
                (uint)InflightRegion.RequiredBytes(variant.Size, variant.IsPacked),
                InflightRegion.Alignment
            );
            _region = RegionAt(Bench, RegionRange);
            _requests = [.. Enumerable.Range(0, variant.Size).Select(_ => Bench.Allocate(8))];
            _freeRequests = new(_requests);
            Start();
        }

        public RingBench Bench { get; }

        public GuestRange RegionRange { get; }

        public Span<byte> Shared => Bench.AllBytes;

        public void Step(bool canCrash)
        {
            switch (_random.Next(canCrash ? 40 : 39))
            {
                case < 10:
                    Add();
                    break;
                case < 20:
                    TryTake();
                    break;
                case < 30 when _held.Exists(static each => !each.IsCompleted):
                    Complete(_random.Next(_held.Count));
                    break;
                case < 35:
                    Publish();
                    break;
                case < 39:
                    TakeBack();
                    break;
                default:
                    Crash(isPublished: true);
                    break;
            }
        }

        /// <summary>Sends buffers through, to move the ring on.</summary>
        public void Exchange(int count)
        {
            for (int index = 0; index < count; index++)
            {
                Take(1);
                Complete(0);
                Publish();
                TakeBack();
            }
        }

        public void Take(int count)
        {
            for (int index = 0; index < count; index++)
            {
                Add();
                TryTake();
            }
        }

        public void Complete(int index)
        {
            (ushort head, ulong tag, bool isCompleted) = _held[index];
            if (!isCompleted)
            {
                Bench.Device.Complete(head, 0);
                _held[index] = (head, tag, true);
            }
        }

        public void Publish()
        {
            Bench.Device.Publish();
            ForgetPublished();
        }

        /// <summary>The device is gone, and another one takes over; it must take what was held, and in the same order.</summary>
        public void Crash(bool isPublished)
        {
            if (!isPublished && _lastPublished.Count > 0)
            {
                _held.AddRange(_lastPublished);
                _held.Sort(static (left, right) => left.Tag.CompareTo(right.Tag));
            }

            _lastPublished.Clear();
            Start();
            for (int index = 0; index < _held.Count; index++)
            {
                Assert.True(Bench.Device.TryPop(out DescriptorChain chain), $"fault {Bench.Device.Fault}");
                Assert.True(chain.Reader.TryRead(out ulong tag));
                Assert.Equal((_held[index].Head, _held[index].Tag), (chain.Head, tag));
                _held[index] = (chain.Head, tag, false);
            }
        }

        /// <summary>Brings everything home, and sees that every buffer came back once.</summary>
        public void Finish()
        {
            for (int round = 0; round < 10 && _inFlight.Count > 0; round++)
            {
                while (TryTake())
                {
                    // All there are.
                }

                for (int index = 0; index < _held.Count; index++)
                {
                    Complete(index);
                }

                Publish();
                TakeBack();
            }

            Assert.Empty(_inFlight);
            Assert.False(Bench.Driver.TryTake(out _));
            Assert.Equal(Bench.Variant.Size, Bench.Driver.FreeDescriptors);
            Assert.Equal(UsedFault.None, Bench.Driver.Fault);
        }

        public void Dispose() => Bench.Dispose();

        private readonly List<(ushort Head, ulong Tag, bool IsCompleted)> _lastPublished = [];

        private void Start() =>
            Bench.Device = DeviceQueue.Create(
                Bench.Areas,
                QueueState.Fresh,
                Bench.Memory,
                Bench.Variant.Features,
                _region
            );

        private void Add()
        {
            if (Bench.Driver.FreeDescriptors == 0)
            {
                return;
            }

            GuestRange request = _freeRequests.Pop();
            BitConverter.TryWriteBytes(Bench.Bytes(request), _nextTag);
            GuestRange half = new(request.Address + 4, 4);
            GuestRange[] pieces =
                Bench.Driver.FreeDescriptors > 1 ? [request with { LengthBytes = 4 }, half] : [request];
            Assert.True(Bench.Driver.TryAdd(pieces, [], _nextTag));
            Bench.Driver.Publish();
            _requestByTag[_nextTag] = request;
            _inFlight.Add(_nextTag++);
        }

        private bool TryTake()
        {
            if (!Bench.Device.TryPop(out DescriptorChain chain))
            {
                Assert.Equal(QueueFault.None, Bench.Device.Fault);
                return false;
            }

            Assert.True(chain.Reader.TryRead(out ulong tag));
            _held.Add((chain.Head, tag, false));
            return true;
        }

        private void ForgetPublished()
        {
            _lastPublished.Clear();
            if (Bench.Variant.IsInOrder)
            {
                while (_held.Count > 0 && _held[0].IsCompleted)
                {
                    _held.RemoveAt(0);
                }

                return;
            }

            _lastPublished.AddRange(_held.Where(static each => each.IsCompleted));
            _held.RemoveAll(static each => each.IsCompleted);
        }

        private void TakeBack()
        {
            while (Bench.Driver.TryTake(out DriverCompletion completion))
            {
                Assert.True(_inFlight.Remove(completion.Tag), $"buffer {completion.Tag} came back twice");
                Assert.True(_requestByTag.Remove(completion.Tag, out GuestRange request));
                _freeRequests.Push(request);
            }

            Assert.Equal(UsedFault.None, Bench.Driver.Fault);
        }
    }

    /// <summary>The stores of a publication of two chains, in the order that vhost-user prescribes.</summary>
    private sealed class StoreOrder
    {
        private readonly List<(int Offset, byte[] Value)> _stores = [];
        private readonly byte[] _before;
        private readonly int _publishedAfter;

        public StoreOrder(CrashingPair pair, int first, byte[] before, byte[] after)
        {
            _before = before;
            int region = (int)(pair.RegionRange.Address.Value - RingBench.Base);
            if (pair.Bench.Variant.IsPacked)
            {
                int ring = (int)(pair.Bench.Areas.Descriptors.Value - RingBench.Base);
                byte[] descriptors = after.AsSpan(ring, 4 * 16).ToArray();
                before.AsSpan(ring + 16 * first + 14, 2).CopyTo(descriptors.AsSpan(16 * first + 14));
                _stores.Add((ring, descriptors));
                for (int entry = 0; entry < 4; entry++)
                {
                    Changed(after, region + 32 + 32 * entry + 2, 2);
                }

                Pad(5);
                Changed(after, region + 12, 2);
                Pad(6);
                byte[] used = after.AsSpan(region + 16, 8).ToArray();
                before.AsSpan(region + 18, 2).CopyTo(used.AsSpan(2));
                used[5] = before[region + 21];
                _stores.Add((region + 16, used));
                _stores.Add((ring + 16 * first + 14, after.AsSpan(ring + 16 * first + 14, 2).ToArray()));

                _publishedAfter = _stores.Count;
                Pad(8);
                for (int entry = 0; entry < 4; entry++)
                {
                    Changed(after, region + 32 + 32 * entry, 1);
                }

                Pad(10);
                Changed(after, region + 14, 2);
                Pad(11);
                _stores.Add((region + 16, after.AsSpan(region + 16, 8).ToArray()));
            }
            else
            {
                int used = (int)(pair.Bench.Areas.Device.Value - RingBench.Base);
                _stores.Add((used + 4, after.AsSpan(used + 4, 4 * 8).ToArray()));
                for (int entry = 0; entry < 4; entry++)
                {
                    Changed(after, region + 16 + 16 * entry + 6, 2);
                }

                Pad(3);
                Changed(after, region + 12, 2);
                Pad(4);
                Changed(after, used + 2, 2);
                _publishedAfter = _stores.Count;
                for (int entry = 0; entry < 4; entry++)
                {
                    Changed(after, region + 16 + 16 * entry, 1);
                }

                Pad(7);
                Changed(after, region + 14, 2);
            }
        }

        public static int Count(bool isPacked) => isPacked ? 12 : 8;

        public bool IsPublished(int stores) => stores >= _publishedAfter;

        /// <summary>Puts memory into the state after so many stores.</summary>
        public void Apply(Span<byte> shared, int stores)
        {
            _before.CopyTo(shared);
            foreach ((int offset, byte[] value) in _stores.Take(stores))
            {
                value.CopyTo(shared[offset..]);
            }
        }

        private void Changed(byte[] after, int offset, int length)
        {
            if (!after.AsSpan(offset, length).SequenceEqual(_before.AsSpan(offset, length)))
            {
                _stores.Add((offset, after.AsSpan(offset, length).ToArray()));
            }
        }

        /// <summary>Where fewer words changed than could have, nothing is stored.</summary>
        private void Pad(int count)
        {
            while (_stores.Count < count)
            {
                _stores.Add((0, []));
            }
        }
    }
}
