using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Tests.Linux.Events;

[Collection(DescriptorCountCollection.Name)]
public sealed class EventLoopGroupTests
{
    [Fact]
    public void Indexer_DealsLoopsOutInTurn()
    {
        using var group = EventLoopGroup.Start(3);

        Assert.Same(group[0], group[3]);
        Assert.Same(group[2], group[5]);
        Assert.NotSame(group[0], group[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => group[-1]);
    }

    [Fact]
    public void Start_NamesItsBackgroundThreads()
    {
        using var group = EventLoopGroup.Start(2, new EventLoopOptions { Name = "queue" });
        string? name = null;
        bool isBackground = false;

        group[1]
            .Invoke(() =>
            {
                name = Thread.CurrentThread.Name;
                isBackground = Thread.CurrentThread.IsBackground;
            });

        Assert.Equal("queue-1", name);
        Assert.True(isBackground);
    }

    [Fact]
    public void Start_WithProcessors_PinsTheThreads()
    {
        int processor = ThreadAffinity.OfCurrentThread()[^1];
        using var group = EventLoopGroup.Start(1, new EventLoopOptions { Processors = [processor] });
        IReadOnlyList<int> allowed = [];

        group[0].Invoke(() => allowed = ThreadAffinity.OfCurrentThread());

        Assert.Equal([processor], allowed);
    }

    [Fact]
    public void Start_ProcessorThatDoesNotExist_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() =>
            EventLoopGroup.Start(1, new EventLoopOptions { Processors = [8191] })
        );

        Assert.Equal(Errno.EINVAL, exception.Error);
    }

    [Fact]
    public void Dispose_OnItsOwnThread_Throws()
    {
        using var group = EventLoopGroup.Start(1);

        Assert.Throws<InvalidOperationException>(() => group[0].Invoke(group.Dispose));
    }

    [Fact]
    public void StartAndDispose_ManyTimes_LeaksNoDescriptors()
    {
        EventLoopGroup.Start(2).Dispose();
        int before = DescriptorCountCollection.Count();

        for (int round = 0; round < 20; round++)
        {
            using var group = EventLoopGroup.Start(2);
            EventLoop loop = group[round];
            loop.Invoke(() =>
            {
                using var signal = EventFd.Create();
                using LoopTimer timer = loop.StartTimer(TimeSpan.FromHours(1), TimeSpan.Zero, () => { });
                using LoopWatch watch = loop.Watch(signal.Handle, LoopEvents.Readable, new CountingWatcher());
            });
        }

        Assert.Equal(before, DescriptorCountCollection.Count());
    }
}
