using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Memory;

public sealed unsafe class TranslatedMemoryTests : IDisposable
{
    private const ulong Page = 4096;

    /// <summary>Where the driver sees its memory: 16 pages, each of which lies elsewhere.</summary>
    private const ulong DriverBase = 0x7000_0000;

    private const ulong GuestBase = 0x1_0000_0000;

    private const int PageCount = 16;

    private readonly OwnedMemory _backing = new(PageCount * Page);
    private readonly byte[] _bitmap = GC.AllocateArray<byte>(1 << 18, pinned: true);
    private readonly List<ulong> _asked = [];
    private readonly Iotlb _iotlb;
    private readonly TranslatedMemory _memory;

    public TranslatedMemoryTests()
    {
        _iotlb = new((address, _) => _asked.Add(address.Value));
        fixed (byte* bitmap = _bitmap)
        {
            _memory = new(
                _iotlb,
                new MappedMemory([_backing.At(new(GuestBase))], new((nint)bitmap, (ulong)_bitmap.Length))
            );
        }
    }

    [Fact]
    public void Translate_ScatteredPages_GivesASegmentForEach()
    {
        MapAll();
        SegmentList segments = new();

        Translation outcome = _memory.Translate(
            new(DriverBase + 100),
            (uint)(3 * Page),
            MemoryAccess.ReadWrite,
            segments
        );

        Assert.Equal(Translation.Done, outcome);
        Assert.Equal([4096 - 100, 4096, 4096, 100], segments.Items.ToArray().Select(static each => each.Length));
        Assert.Equal(HostOf(0) + 100, segments.Items[0].Address);
        Assert.Equal(HostOf(1), segments.Items[1].Address);
    }

    [Fact]
    public void TranslateContiguous_MappingsThatContinueEachOther_AreOnePiece()
    {
        Map(0, 5);
        Map(1, 6);
        Map(2, 9);

        Translation two = _memory.TranslateContiguous(
            new(DriverBase + 8),
            8000,
            MemoryAccess.Read,
            out Segment segment
        );
        Translation three = _memory.TranslateContiguous(new(DriverBase + 8), 9000, MemoryAccess.Read, out _);

        Assert.Equal(Translation.Done, two);
        Assert.Equal(8000, segment.Length);
        Assert.Equal(_backing.Address + 5 * (nint)Page + 8, segment.Address);
        Assert.Equal(Translation.Refused, three);
    }

    [Fact]
    public void Translate_PageMissing_IsPendingAndAsked()
    {
        Map(0, 0);
        SegmentList segments = new();

        Assert.Equal(Translation.Pending, _memory.Translate(new(DriverBase), 5000, MemoryAccess.Read, segments));
        Assert.Equal([DriverBase + Page], _asked);
    }

    [Theory]
    [InlineData(0xffff_ffff_ffff_fff0ul)]
    public void Translate_RangeWraps_IsRefused(ulong address)
    {
        _iotlb.TryMap(new(address), 16, new(GuestBase), MemoryAccess.ReadWrite);
        _iotlb.TryMap(new(0), 0x1000, new(GuestBase), MemoryAccess.ReadWrite);

        Assert.Equal(Translation.Refused, _memory.Translate(new(address), 17, MemoryAccess.Read, new()));
        Assert.Equal(Translation.Done, _memory.Translate(new(address), 16, MemoryAccess.Read, new()));
    }

    [Fact]
    public void Translate_MappedToWhereNoMemoryIs_IsRefused()
    {
        _iotlb.TryMap(new(DriverBase), Page, new(0x1000), MemoryAccess.ReadWrite);

        Assert.Equal(Translation.Refused, _memory.Translate(new(DriverBase), 16, MemoryAccess.Read, new()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Queue_RingAndBuffersOnScatteredPages_WorksAndMarksGuestPages(bool isPacked)
    {
        MapAll();
        FeatureSet features = FeatureSet
            .Of(CoreFeature.Version1, CoreFeature.AccessPlatform)
            .WithIf(CoreFeature.RingPacked, isPacked);
        // 512 descriptors take two pages, and the areas begin in the middle of one.
        QueueAreas areas = new(512, new(DriverBase + 2048), new(DriverBase + 0x3000), new(DriverBase + 0x5000 - 64));
        var queue = DeviceQueue.Create(areas, QueueState.Fresh, _memory, features);
        ulong buffer = DriverBase + 8 * Page + 4000;

        for (ushort number = 0; number < 512; number++)
        {
            Offer(isPacked, areas, number, buffer);
            Assert.True(queue.TryPop(out DescriptorChain chain));
            ChainWriter writer = chain.Writer;
            Assert.True(writer.TryCopyFrom(Pattern(number)));
            queue.Complete(chain.Head, writer.Written);
            queue.Publish();
            AssertUsed(isPacked, areas, number);
            byte[] read = new byte[200];
            Assert.True(_memory.TryRead(new(buffer), read));
            Assert.Equal(Pattern(number), read);
        }

        Assert.True(IsMarked(8));
        Assert.True(IsMarked(9));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Queue_BufferNotMappedYet_StaysUntilItIs(bool isPacked)
    {
        for (int page = 0; page < 8; page++)
        {
            Map(page, page);
        }

        FeatureSet features = FeatureSet.Of(CoreFeature.Version1).WithIf(CoreFeature.RingPacked, isPacked);
        QueueAreas areas = new(16, new(DriverBase), new(DriverBase + Page), new(DriverBase + 2 * Page));
        var queue = DeviceQueue.Create(areas, QueueState.Fresh, _memory, features);
        Offer(isPacked, areas, 0, DriverBase + 8 * Page + 4000);

        Assert.False(queue.TryPop(out _));
        Assert.True(queue.IsTranslationPending);
        Assert.True(queue.TryArmKicks());
        Map(8, 3);
        Assert.False(queue.TryPop(out _));
        Assert.True(queue.IsTranslationPending);
        Map(9, 2);
        Assert.True(queue.TryPop(out DescriptorChain chain));

        Assert.False(queue.IsTranslationPending);
        Assert.Equal(200u, chain.WritableBytes);
        Assert.Equal([DriverBase + 8 * Page + 4000, DriverBase + 9 * Page], _asked);
        Assert.Equal(QueueFault.None, queue.Fault);
    }

    [Fact]
    public void Queue_RingNotMapped_IsRefusedAndAsked()
    {
        QueueAreas areas = new(16, new(DriverBase), new(DriverBase + Page), new(DriverBase + 2 * Page));

        Assert.Throws<RingException>(() =>
            DeviceQueue.Create(areas, QueueState.Fresh, _memory, FeatureSet.Of(CoreFeature.Version1))
        );
        Assert.Equal([DriverBase], _asked);
    }

    public void Dispose() => _backing.Dispose();

    private static byte[] Pattern(ushort number) => [.. Enumerable.Repeat(unchecked((byte)number), 200)];

    /// <summary>Page i of the driver is page 15 - i of the guest, so that no two lie behind one another.</summary>
    private void MapAll()
    {
        for (int page = 0; page < PageCount; page++)
        {
            Map(page, PageCount - 1 - page);
        }
    }

    private void Map(int page, int guestPage) =>
        Assert.True(
            _iotlb.TryMap(
                new(DriverBase + (ulong)page * Page),
                Page,
                new(GuestBase + (ulong)guestPage * Page),
                MemoryAccess.ReadWrite
            )
        );

    private nint HostOf(int page) => _backing.Address + (nint)(PageCount - 1 - page) * (nint)Page;

    private bool IsMarked(int page)
    {
        ulong guestPage = GuestBase / Page + (ulong)(PageCount - 1 - page);
        return (_bitmap[guestPage / 8] >> (int)(guestPage % 8) & 1) != 0;
    }

    private void Write<T>(GuestAddress address, T value)
        where T : unmanaged => Assert.True(_memory.TryWrite(address, Wire.Bytes(ref value)));

    private T Read<T>(GuestAddress address)
        where T : unmanaged
    {
        T value = default;
        Assert.True(_memory.TryRead(address, Wire.Bytes(ref value)));
        return value;
    }

    private void Offer(bool isPacked, QueueAreas areas, ushort number, ulong buffer)
    {
        if (isPacked)
        {
            Write(
                areas.Descriptors + 16ul * number,
                new PackedDescriptor
                {
                    Address = buffer,
                    Length = 200,
                    Id = number,
                    Flags = DescriptorFlags.Write | DescriptorFlags.PackedAvailable,
                }
            );
            return;
        }

        Write(
            areas.Descriptors + 16ul * number,
            new SplitDescriptor
            {
                Address = buffer,
                Length = 200,
                Flags = DescriptorFlags.Write,
            }
        );
        Write<Le16>(areas.Driver + 4 + 2ul * number, number);
        Write<Le16>(areas.Driver + 2, (ushort)(number + 1));
    }

    private void AssertUsed(bool isPacked, QueueAreas areas, ushort number)
    {
        if (isPacked)
        {
            PackedDescriptor used = Read<PackedDescriptor>(areas.Descriptors + 16ul * number);
            Assert.Equal(number, used.Id.Value);
            Assert.Equal(200u, used.Length.Value);
            return;
        }

        SplitUsedElement element = Read<SplitUsedElement>(areas.Device + 4 + 8ul * number);
        Assert.Equal(number, element.Id.Value);
        Assert.Equal(200u, element.Length.Value);
        Assert.Equal(number + 1, Read<Le16>(areas.Device + 2).Value);
    }
}
