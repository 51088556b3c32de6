using FsCheck;
using FsCheck.Fluent;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Tests.Core.Queues;

/// <summary>Any interleaving of a driver and a device does what a list of buffers would do, and no wake-up is lost.</summary>
/// <remarks>A script of bytes is the interleaving, so that a failing one shrinks to the few steps that matter.</remarks>
public sealed class RingModelTests
{
    public static TheoryData<bool, int> Rings =>
        new()
        {
            { false, 1 },
            { false, 2 },
            { false, 8 },
            { true, 1 },
            { true, 3 },
            { true, 8 },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void AnyInterleaving_AgreesWithTheModel(bool isPacked, int size)
    {
        for (int bits = 0; bits < 8; bits++)
        {
            RingVariant variant = new(isPacked, (ushort)size, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
            Prop.ForAll<byte[]>(script => Run(variant, script))
                .Check(Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(400).WithQuietOnSuccess(true));
        }
    }

    private static void Run(RingVariant variant, byte[] script)
    {
        using Model model = new(variant);
        foreach (byte step in script)
        {
            model.Step(step % 14, step / 14);
        }

        model.Drain();
    }

    /// <summary>A ring and what is expected of it.</summary>
    private sealed class Model : IDisposable
    {
        private readonly RingBench _bench;
        private readonly RingVariant _variant;
        private readonly GuestRange _piece;

        /// <summary>Tags that were added and not published, published and not taken by the device.</summary>
        private readonly Queue<ulong> _added = new();

        private readonly Queue<ulong> _available = new();

        /// <summary>What the device holds, in the order in which it took it; Completed is set with IN_ORDER.</summary>
        private readonly List<Held> _held = [];

        /// <summary>What was completed and not published, published and not taken back.</summary>
        private readonly Queue<DriverCompletion> _completed = new();

        private readonly Queue<DriverCompletion> _used = new();
        private readonly Dictionary<ulong, int> _pieces = [];
        private ulong _nextTag;
        private int _free;

        /// <summary>Who asked for a notification, found nothing, and sleeps since.</summary>
        private bool _isDeviceAsleep;

        private bool _isDriverAsleep;

        public Model(RingVariant variant)
        {
            _variant = variant;
            _bench = new(variant, memoryBytes: 64 << 10);
            _piece = _bench.Allocate(8);
            _free = variant.Size;
        }

        public void Step(int operation, int choice)
        {
            switch (operation)
            {
                case 0 or 1 or 2:
                    Add(1 + choice % _variant.PiecesMax);
                    break;
                case 3:
                    PublishAdded();
                    break;
                case 4 or 5:
                    Pop();
                    break;
                case 6 or 7 when _held.Count > 0:
                    Complete(choice % _held.Count, (uint)choice % 9);
                    break;
                case 8:
                    PublishCompleted();
                    break;
                case 9:
                    Take();
                    break;
                case 10:
                    Assert.Equal(_available.Count == 0, _isDeviceAsleep = _bench.Device.TryArmKicks());
                    break;
                case 11:
                    Assert.Equal(_used.Count == 0, _isDriverAsleep = _bench.Driver.TryArmCalls());
                    break;
                case 12 or 13:
                    CompleteTogether(choice);
                    break;
                default:
                    break;
            }

            Assert.Equal(_free, _bench.Driver.FreeDescriptors);
            Assert.Equal(_held.Count(static held => !held.IsCompleted), _bench.Device.InFlight);
        }

        public void Drain()
        {
            PublishAdded();
            while (_available.Count > 0)
            {
                Pop();
            }

            while (_held.Exists(static held => !held.IsCompleted))
            {
                Complete(_held.FindIndex(static held => !held.IsCompleted), 0);
            }

            PublishCompleted();
            while (_used.Count > 0)
            {
                Take();
            }

            Assert.Equal(_variant.Size, _bench.Driver.FreeDescriptors);
            Assert.Equal(0, _bench.Driver.InFlight);
            Assert.Equal(QueueFault.None, _bench.Device.Fault);
            Assert.Equal(UsedFault.None, _bench.Driver.Fault);
        }

        public void Dispose() => _bench.Dispose();

        private void Add(int pieces)
        {
            int needed = _variant.HasIndirect && pieces > 1 ? 1 : pieces;
            GuestRange[] writable = [.. Enumerable.Repeat(_piece, pieces)];
            Assert.Equal(needed <= _free, _bench.Driver.TryAdd([], writable, _nextTag));
            if (needed <= _free)
            {
                _free -= needed;
                _pieces[_nextTag] = pieces;
                _added.Enqueue(_nextTag++);
            }
        }

        private void PublishAdded()
        {
            bool hasNew = _added.Count > 0;
            bool isKicked = _bench.Driver.Publish();
            while (_added.TryDequeue(out ulong tag))
            {
                _available.Enqueue(tag);
            }

            Assert.False(isKicked && !hasNew);
            if (hasNew && _isDeviceAsleep)
            {
                Assert.True(isKicked, "the device sleeps and is not kicked");
                _isDeviceAsleep = false;
            }
        }

        private void Pop()
        {
            _isDeviceAsleep = false;
            Assert.Equal(_available.Count > 0, _bench.Device.TryPop(out DescriptorChain chain));
            if (_available.TryDequeue(out ulong tag))
            {
                Assert.Equal((uint)_pieces[tag] * 8, chain.WritableBytes);
                _held.Add(new(chain.Head, tag, chain.WritableBytes));
            }
        }

        private void Complete(int index, uint length)
        {
            Held held = _held[index];
            if (held.IsCompleted)
            {
                return;
            }

            uint written = length == 8 ? held.WritableBytes : length;
            _bench.Device.Complete(held.Head, written);
            if (!_variant.IsInOrder)
            {
                _held.RemoveAt(index);
                _completed.Enqueue(new(held.Tag, written));
                return;
            }

            _held[index] = held with { IsCompleted = true, WrittenBytes = written };
            while (_held.Count > 0 && _held[0].IsCompleted)
            {
                _completed.Enqueue(new(_held[0].Tag, _held[0].WrittenBytes));
                _held.RemoveAt(0);
            }
        }

        /// <summary>Gives back some of the chains that are next without taking them one by one.</summary>
        private void CompleteTogether(int choice)
        {
            bool mayOvertake = !_variant.IsInOrder || _held.Count == 0;
            int singles = mayOvertake ? _available.TakeWhile(tag => _pieces[tag] == 1).Count() : 0;
            ReadOnlySpan<Segment> shown = _bench.Device.Peek(MemoryAccess.Write);
            Assert.InRange(shown.Length, Math.Min(singles, 1), singles);
            Assert.Equal(0, _bench.Device.Peek(MemoryAccess.Read).Length);
            uint[] written = new uint[choice % (shown.Length + 1)];
            for (int index = 0; index < written.Length; index++)
            {
                written[index] = (uint)((choice + index) % 9);
                _isDeviceAsleep = false;
                _completed.Enqueue(new(_available.Dequeue(), written[index]));
            }

            _bench.Device.CompletePeeked(written);
        }

        private void PublishCompleted()
        {
            bool hasNew = _completed.Count > 0;
            Assert.Equal(hasNew, _bench.Device.HasUnpublished);
            bool isCalled = _bench.Device.Publish();
            while (_completed.TryDequeue(out DriverCompletion completion))
            {
                _used.Enqueue(completion);
            }

            Assert.False(isCalled && !hasNew);
            if (hasNew && _isDriverAsleep)
            {
                Assert.True(isCalled, "the driver sleeps and is not called");
                _isDriverAsleep = false;
            }
        }

        private void Take()
        {
            _isDriverAsleep = false;
            Assert.Equal(_used.Count > 0, _bench.Driver.TryTake(out DriverCompletion completion));
            if (_used.TryDequeue(out DriverCompletion expected))
            {
                Assert.Equal(expected, completion);
                int pieces = _pieces[expected.Tag];
                _free += _variant.HasIndirect && pieces > 1 ? 1 : pieces;
            }
        }

        private readonly record struct Held(
            ushort Head,
            ulong Tag,
            uint WritableBytes,
            bool IsCompleted = false,
            uint WrittenBytes = 0
        );
    }
}
