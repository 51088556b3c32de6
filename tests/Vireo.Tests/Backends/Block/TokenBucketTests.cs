using Vireo.Backends.Block.Filters;

namespace Vireo.Tests.Backends.Block;

public sealed class TokenBucketTests
{
    private const long Second = 10_000_000;

    [Fact]
    public void WaitFor_BurstUsedUp_IsTheTimeForOne()
    {
        TokenBucket bucket = new(perSecond: 100, size: 5, Second, nowTicks: 0);
        for (int request = 0; request < 5; request++)
        {
            Assert.Equal(0, bucket.WaitFor(0));
            bucket.Take(1);
        }

        Assert.InRange(bucket.WaitFor(0), 1, Second / 100 + 1);
        Assert.Equal(0, bucket.WaitFor(Second / 100 + 1));
    }

    [Fact]
    public void WaitFor_LongPause_SavesNoMoreThanTheBurst()
    {
        TokenBucket bucket = new(perSecond: 100, size: 5, Second, nowTicks: 0);
        Assert.Equal(0, bucket.WaitFor(1000 * Second));
        int passed = 0;
        while (bucket.WaitFor(1000 * Second) == 0)
        {
            bucket.Take(1);
            passed++;
        }

        Assert.Equal(5, passed);
    }

    [Fact]
    public void Take_MoreThanTheSize_IsPaidForAfterwards()
    {
        TokenBucket bucket = new(perSecond: 1000, size: 10, Second, nowTicks: 0);
        Assert.Equal(0, bucket.WaitFor(0));
        bucket.Take(2010);

        Assert.InRange(bucket.WaitFor(0), 2 * Second, 2 * Second + 10);
        Assert.NotEqual(0, bucket.WaitFor(2 * Second - 100));
        Assert.Equal(0, bucket.WaitFor(2 * Second + 10_000));
    }

    [Fact]
    public void WaitFor_TenThousandRequests_KeepTheRate()
    {
        TokenBucket bucket = new(perSecond: 500, size: 0, Second, nowTicks: 0);
        long now = 0;
        for (int request = 0; request < 10_000; request++)
        {
            now += bucket.WaitFor(now);
            Assert.Equal(0, bucket.WaitFor(now));
            bucket.Take(1);
        }

        Assert.InRange(now, 19 * Second, 20 * Second);
    }
}
