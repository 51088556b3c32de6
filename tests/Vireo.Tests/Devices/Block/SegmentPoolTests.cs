using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>Room for segments: exact, exclusive, bounded.</summary>
public sealed class SegmentPoolTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(128)]
    [InlineData(65535)]
    [InlineData(65536)]
    public void Lease_AnyCount_GivesExactlyThatMany(int count)
    {
        SegmentPool pool = new(4);

        Assert.Equal(count, pool.Lease(3, count).Count);
    }

    [Fact]
    public void Lease_TwoHeads_DoNotOverlap()
    {
        SegmentPool pool = new(2);
        ArraySegment<Segment> first = pool.Lease(0, SegmentPool.InlineSegments);
        ArraySegment<Segment> second = pool.Lease(1, SegmentPool.InlineSegments);
        ArraySegment<Segment> third = pool.Lease(0, 10);
        ArraySegment<Segment> fourth = pool.Lease(1, 10);

        first.AsSpan().Fill(new(1, 1));
        second.AsSpan().Fill(new(2, 2));
        third.AsSpan().Fill(new(3, 3));
        fourth.AsSpan().Fill(new(4, 4));

        Assert.All(first, static segment => Assert.Equal(1, segment.Length));
        Assert.All(second, static segment => Assert.Equal(2, segment.Length));
        Assert.All(third, static segment => Assert.Equal(3, segment.Length));
    }

    [Fact]
    public void HasRoom_LongChainsInFlight_EndsAtTheLimitAndComesBack()
    {
        SegmentPool pool = new(1024);
        Stack<ArraySegment<Segment>> leases = new();
        while (pool.HasRoom)
        {
            leases.Push(pool.Lease(leases.Count, 100));
        }

        Assert.Equal(SegmentPool.LeasedSegmentsMax / 128, leases.Count);
        pool.Return(leases.Pop());
        Assert.True(pool.HasRoom);
    }

    [Fact]
    public void Lease_SameLengthAgain_AllocatesNothing()
    {
        SegmentPool pool = new(16);
        pool.Return(pool.Lease(0, 100));

        Allocations.AssertNone(() =>
        {
            for (int round = 0; round < 10_000; round++)
            {
                pool.Return(pool.Lease(0, 100));
            }
        });
    }

    [Fact]
    public void Return_LengthsThatVary_KeepLessThanTheLimit()
    {
        SegmentPool pool = new(16);
        for (int round = 0; round < 3; round++)
        {
            for (int count = 8; count <= SegmentPool.LeasedSegmentsMax; count *= 2)
            {
                Stack<ArraySegment<Segment>> leases = new();
                while (pool.HasRoom)
                {
                    leases.Push(pool.Lease(0, count));
                }

                Assert.InRange(pool.AllocatedSegments, 1, 2 * SegmentPool.LeasedSegmentsMax);
                while (leases.TryPop(out ArraySegment<Segment> lease))
                {
                    pool.Return(lease);
                }
            }
        }
    }
}
