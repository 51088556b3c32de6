using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Core.Queues;

/// <summary>Chains of one descriptor are looked at before they are taken: nobody may notice.</summary>
public sealed class LookAheadTests : IDisposable
{
    private const ulong First = 0x1_0000_0000;
    private const ulong Second = First + RegionBytes;
    private const ulong Far = 0x8_0000_0000;
    private const uint RegionBytes = 1 << 16;
    private const ushort QueueSize = 64;
    private readonly OwnedMemory _ring = new(RegionBytes);
    private readonly OwnedMemory _next = new(RegionBytes);
    private readonly OwnedMemory _readOnly = new(RegionBytes);
    private readonly MappedMemory _memory;
    private readonly QueueAreas _areas = new(QueueSize, new(First), new(First + 0x1000), new(First + 0x2000));

    public LookAheadTests()
    {
        MemoryRegion far = _readOnly.At(new(Far));
        _memory = new([
            _ring.At(new(First)),
            _next.At(new(Second)),
            new(far.Address, far.LengthBytes, far.HostAddress, MemoryAccess.Read),
        ]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TryPop_OneDescriptorOrSeveralHereAndThere_ComeInOrderAsTheyAre(bool isPacked)
    {
        (DriverQueue driver, DeviceQueue device) = Open(isPacked);
        GuestRange near = new(new(First + 0x4000), 100);
        GuestRange next = new(new(Second + 0x100), 200);
        GuestRange across = new(new(Second - 8), 24);
        GuestRange far = new(new(Far + 5), 300);
        GuestRange nowhere = new(new(Far + RegionBytes - 8), 16);
        (GuestRange[] Readable, GuestRange[] Writable)[] buffers =
        [
            ([near], []),
            ([], [next]),
            ([far], []),
            ([near, far], [next]),
            ([across], []),
            ([], [across]),
            ([], [far]),
            ([nowhere], []),
            ([near], []),
            ([], [near, next]),
            ([], [near]),
        ];
        uint[] readable = [100, 0, 300, 400, 24, 0, 0, 0, 100, 0, 0];
        uint[] writable = [0, 200, 0, 200, 0, 24, 0, 0, 0, 300, 100];
        int[] pieces = [1, 1, 1, 3, 2, 2, 0, 0, 1, 2, 1];
        // Every start of a look ahead, and several rounds of the ring.
        for (int turn = 0; turn < 40; turn++)
        {
            int count = 1 + turn % buffers.Length;
            for (int index = 0; index < count; index++)
            {
                Assert.True(driver.TryAdd(buffers[index].Readable, buffers[index].Writable, (ulong)index));
            }

            driver.Publish();
            for (int index = 0; index < count; index++)
            {
                Assert.True(device.TryPop(out DescriptorChain chain), $"{device.Fault} at {index}");
                Assert.Equal(readable[index], chain.ReadableBytes);
                Assert.Equal(writable[index], chain.WritableBytes);
                Assert.Equal(pieces[index], chain.Readable.Length + chain.Writable.Length);
                device.Complete(chain.Head, 0);
            }

            Assert.False(device.TryPop(out _));
            device.Publish();
            for (int index = 0; index < count; index++)
            {
                Assert.True(driver.TryTake(out DriverCompletion completion));
                Assert.Equal((ulong)index, completion.Tag);
            }
        }

        Assert.Equal(QueueFault.None, device.Fault);
        Assert.True(device.UnreachableChains > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void State_ChainsLookedAt_AreNotTaken(bool isPacked)
    {
        (DriverQueue driver, DeviceQueue device) = Open(isPacked);
        GuestRange buffer = new(new(First + 0x4000), 100);
        for (ulong tag = 0; tag < 5; tag++)
        {
            Assert.True(driver.TryAdd([buffer], [], tag));
        }

        driver.Publish();
        Assert.True(device.TryPop(out DescriptorChain chain));
        device.Complete(chain.Head, 0);
        device.Publish();

        // Whoever goes on from the state finds the other four.
        var successor = DeviceQueue.Create(_areas, device.State, _memory, FeaturesOf(isPacked));
        for (int index = 0; index < 4; index++)
        {
            Assert.True(successor.TryPop(out DescriptorChain left));
            successor.Complete(left.Head, 0);
        }

        Assert.False(successor.TryPop(out _));
        Assert.Equal(1ul, device.ChainsTaken);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TryPop_DescriptorsChangedBehindTheFirst_NeverReachOutsideMemory(bool isPacked)
    {
        (DriverQueue driver, DeviceQueue device) = Open(isPacked);
        GuestRange buffer = new(new(First + 0x4000), 100);
        for (ulong tag = 0; tag < 3; tag++)
        {
            Assert.True(driver.TryAdd([buffer], [], tag));
        }

        driver.Publish();
        Assert.True(device.TryPop(out _));

        Descriptors()[16..48].Fill(0x5a);

        // Taken as they were when they were looked at, or found to be wrong: but nothing in between.
        while (device.TryPop(out DescriptorChain chain))
        {
            Assert.Equal(100u, chain.ReadableBytes);
            Assert.Equal(_ring.At(new(First)).HostAddress + 0x4000, chain.Readable[0].Address);
        }
    }

    /// <summary>Memory that will be written is fetched for writing when a chain is looked at: nothing changes, and nothing else is touched.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TryPop_BuffersToReadBehindOnesToWrite_AreNotWrittenTo(bool isPacked)
    {
        using var locked = MemoryMapping.MapAnonymous(RegionBytes, MappingAccess.Read);
        MappedMemory memory = new([
            _ring.At(new(First)),
            new(new(Far), RegionBytes, locked.Address, MemoryAccess.Read),
        ]);
        FeatureSet features = FeaturesOf(isPacked);
        var driver = DriverQueue.Create(_areas, memory, features, null);
        var device = DeviceQueue.Create(_areas, QueueState.Fresh, memory, features);
        byte[] before = new byte[100];
        Random.Shared.NextBytes(before);
        GuestRange buffer = new(new(First + 0x4000), (uint)before.Length);
        Assert.True(memory.TryWrite(buffer.Address, before));
        for (ulong tag = 0; tag < 4; tag++)
        {
            GuestRange readOnly = new(new(Far + tag), 1);
            Assert.True(tag % 2 == 0 ? driver.TryAdd([], [buffer], tag) : driver.TryAdd([readOnly], [], tag));
        }

        driver.Publish();
        Assert.True(device.TryPop(out _));

        byte[] after = new byte[before.Length];
        Assert.True(memory.TryRead(buffer.Address, after));
        Assert.Equal(before, after);
    }

    [Theory]
    [InlineData(false, 1u)]
    [InlineData(true, 1u)]
    [InlineData(false, 64u)]
    [InlineData(true, 65u)]
    [InlineData(false, 100u)]
    [InlineData(true, 100u)]
    [Clause("split-queue.dev.015")]
    public void TryPop_DeviceOverwrites_NothingButTheBuffersToWriteIsTouched(bool isPacked, uint lengthBytes)
    {
        const byte Untouched = 0xEE;
        (DriverQueue driver, DeviceQueue device) = Open(isPacked);
        device.IsOverwriting = true;
        device.ReadBytesExpected = 1;
        GuestRange around = new(new(First + 0x4000), 0x1000);
        GuestRange toWrite = new(new(around.Address.Value + 0x400), lengthBytes);
        GuestRange toRead = new(new(toWrite.Address.Value + lengthBytes), lengthBytes);
        byte[] bytes = new byte[around.LengthBytes];
        bytes.AsSpan().Fill(Untouched);
        Assert.True(_memory.TryWrite(around.Address, bytes));
        Assert.True(driver.TryAdd([], [toWrite], 0));
        Assert.True(driver.TryAdd([toRead], [], 1));
        driver.Publish();

        Assert.True(device.TryPop(out DescriptorChain chain));

        Assert.Equal(lengthBytes, chain.WritableBytes);
        Assert.True(_memory.TryRead(around.Address, bytes));
        Assert.Equal(-1, bytes.AsSpan(0x400, (int)lengthBytes).IndexOfAnyExcept(Untouched, (byte)0));
        bytes.AsSpan(0x400, (int)lengthBytes).Fill(Untouched);
        Assert.Equal(-1, bytes.AsSpan().IndexOfAnyExcept(Untouched));
    }

    public void Dispose()
    {
        _ring.Dispose();
        _next.Dispose();
        _readOnly.Dispose();
    }

    private static FeatureSet FeaturesOf(bool isPacked) =>
        FeatureSet.Of(CoreFeature.Version1).WithIf(CoreFeature.RingPacked, isPacked);

    private Span<byte> Descriptors()
    {
        Assert.Equal(
            Translation.Done,
            _memory.TranslateContiguous(new(First), 16 * QueueSize, MemoryAccess.ReadWrite, out Segment segment)
        );
        return segment.Bytes;
    }

    private (DriverQueue Driver, DeviceQueue Device) Open(bool isPacked)
    {
        FeatureSet features = FeaturesOf(isPacked);
        return (
            DriverQueue.Create(_areas, _memory, features, null),
            DeviceQueue.Create(_areas, QueueState.Fresh, _memory, features)
        );
    }
}
