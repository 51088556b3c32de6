using Vireo.Core.Memory;

namespace Vireo.Tests.Core.Memory;

public sealed class IotlbTests
{
    private readonly List<(ulong Address, MemoryAccess Access)> _asked = [];
    private readonly Iotlb _iotlb;

    public IotlbTests() => _iotlb = new((address, access) => _asked.Add((address.Value, access)));

    [Fact]
    public void Translate_Mapped_GivesTargetAndWhatIsLeft()
    {
        Map(0x1000, 0x2000, 0x8_0000);

        Assert.Equal(Translation.Done, Look(0x1800, MemoryAccess.Write, out ulong target, out ulong length));
        Assert.Equal(0x8_0800ul, target);
        Assert.Equal(0x1800ul, length);
        Assert.Empty(_asked);
    }

    [Theory]
    [InlineData(0xffful)]
    [InlineData(0x3000ul)]
    [InlineData(ulong.MaxValue)]
    public void Translate_NotMapped_AsksOnceForThePage(ulong address)
    {
        Map(0x1000, 0x2000, 0x8_0000);

        Assert.Equal(Translation.Pending, Look(address, MemoryAccess.Read, out _, out _));
        Assert.Equal(Translation.Pending, Look(address & ~0xffful, MemoryAccess.Read, out _, out _));
        Assert.Equal(Translation.Pending, Look(address, MemoryAccess.Write, out _, out _));

        Assert.Equal([(address, MemoryAccess.Read), (address, MemoryAccess.Write)], _asked);
    }

    [Fact]
    public void Translate_MappedWithoutPermission_AsksForIt()
    {
        _iotlb.TryMap(new(0x1000), 0x1000, new(0), MemoryAccess.Read);

        Assert.Equal(Translation.Done, Look(0x1000, MemoryAccess.Read, out _, out _));
        Assert.Equal(Translation.Pending, Look(0x1000, MemoryAccess.Write, out _, out _));
        Assert.Equal(Translation.Pending, Look(0x1000, MemoryAccess.ReadWrite, out _, out _));
        Assert.Equal([(0x1000ul, MemoryAccess.Write), (0x1000ul, MemoryAccess.ReadWrite)], _asked);
    }

    [Fact]
    public void Translate_AskedAndAnsweredAndGone_AsksAgain()
    {
        Look(0x1000, MemoryAccess.Read, out _, out _);
        Map(0x1000, 0x1000, 0);
        _iotlb.Unmap(new(0x1000), 0x1000);
        Look(0x1000, MemoryAccess.Read, out _, out _);

        Assert.Equal(2, _asked.Count);
    }

    [Fact]
    public void TryMap_OverOthers_ReplacesWhatItCovers()
    {
        Map(0x1000, 0x3000, 0x10_0000);
        Map(0x2000, 0x1000, 0x20_0000);

        Assert.Equal(3, _iotlb.Count);
        AssertMapped(0x1fff, 0x10_0fff, 1);
        AssertMapped(0x2000, 0x20_0000, 0x1000);
        AssertMapped(0x3000, 0x10_2000, 0x1000);
        Map(0, 0x10000, 0x30_0000);
        Assert.Equal(1, _iotlb.Count);
        AssertMapped(0x2000, 0x30_2000, 0xe000);
    }

    [Fact]
    public void Unmap_MiddleOfAMapping_KeepsBothEnds()
    {
        Map(0x1000, 0x3000, 0x10_0000);

        _iotlb.Unmap(new(0x2000), 0x1000);

        AssertMapped(0x1000, 0x10_0000, 0x1000);
        Assert.Equal(Translation.Pending, Look(0x2000, MemoryAccess.Read, out _, out _));
        AssertMapped(0x3000, 0x10_2000, 0x1000);
    }

    [Fact]
    public void Unmap_RangeThatWraps_EndsAtTheLastAddress()
    {
        Map(ulong.MaxValue - 0xfff, 0x1000, 0);
        Map(0, 0x1000, 0);

        _iotlb.Unmap(new(ulong.MaxValue - 10), ulong.MaxValue);

        Assert.Equal(Translation.Pending, Look(ulong.MaxValue, MemoryAccess.Read, out _, out _));
        AssertMapped(0, 0, 0x1000);
        AssertMapped(ulong.MaxValue - 0xfff, 0, 0x1000 - 11);
    }

    [Fact]
    public void TryMap_AllAddresses_Works()
    {
        Assert.True(_iotlb.TryMap(new(0), ulong.MaxValue, new(0), MemoryAccess.ReadWrite));

        AssertMapped(0, 0, ulong.MaxValue);
        AssertMapped(ulong.MaxValue - 1, ulong.MaxValue - 1, 1);
    }

    [Theory]
    [InlineData(0x1000ul, 0ul, 0ul)]
    [InlineData(ulong.MaxValue, 2ul, 0ul)]
    [InlineData(0ul, 2ul, ulong.MaxValue)]
    public void TryMap_EmptyOrWrapping_IsRefused(ulong address, ulong length, ulong target)
    {
        Assert.False(_iotlb.TryMap(new(address), length, new(target), MemoryAccess.Read));
        Assert.Equal(0, _iotlb.Count);
    }

    [Fact]
    public void TryMap_TableFull_DropsTheOthers()
    {
        for (ulong page = 0; page < Iotlb.MappingsMax; page++)
        {
            Map(page << 12, 0x1000, page << 13);
        }

        Assert.Equal(Iotlb.MappingsMax, _iotlb.Count);
        Map(ulong.MaxValue - 0xfff, 0x1000, 0);
        Assert.Equal(1, _iotlb.Count);
        AssertMapped(ulong.MaxValue - 0xfff, 0, 0x1000);
        _iotlb.Clear();
        Assert.Equal(0, _iotlb.Count);
    }

    [Fact]
    public void Changes_AtRandom_AgreeWithATableOfPages()
    {
        Random random = new(5);
        ulong?[] pages = new ulong?[64];
        for (int round = 0; round < 20_000; round++)
        {
            int first = random.Next(64);
            int count = random.Next(1, 65 - first);
            if (random.Next(2) == 0)
            {
                ulong target = (ulong)random.Next(1000) << 12;
                Map((ulong)first << 12, (ulong)count << 12, target);
                for (int page = 0; page < count; page++)
                {
                    pages[first + page] = target + ((ulong)page << 12);
                }
            }
            else
            {
                _iotlb.Unmap(new((ulong)first << 12), (ulong)count << 12);
                pages.AsSpan(first, count).Clear();
            }

            int look = random.Next(64);
            Translation outcome = Look((ulong)look << 12, MemoryAccess.ReadWrite, out ulong found, out _);
            Assert.Equal(pages[look] is null ? Translation.Pending : Translation.Done, outcome);
            Assert.Equal(pages[look] ?? 0, found);
        }
    }

    private void Map(ulong address, ulong length, ulong target) =>
        Assert.True(_iotlb.TryMap(new(address), length, new(target), MemoryAccess.ReadWrite));

    private Translation Look(ulong address, MemoryAccess access, out ulong target, out ulong length)
    {
        Translation outcome = _iotlb.Translate(new(address), access, out GuestAddress found, out length);
        target = found.Value;
        return outcome;
    }

    private void AssertMapped(ulong address, ulong expectedTarget, ulong expectedLength)
    {
        Assert.Equal(Translation.Done, Look(address, MemoryAccess.ReadWrite, out ulong target, out ulong length));
        Assert.Equal(expectedTarget, target);
        Assert.Equal(expectedLength, length);
    }
}
