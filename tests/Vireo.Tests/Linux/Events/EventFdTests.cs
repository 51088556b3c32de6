using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Linux.Events;

public sealed class EventFdTests
{
    [Fact]
    public void TryDrain_NeverSignalled_IsFalse()
    {
        using var signal = EventFd.Create();

        Assert.False(signal.TryDrain());
    }

    [Fact]
    public void TryDrain_AfterSignals_TakesAllOfThem()
    {
        using var signal = EventFd.Create();

        Assert.True(signal.Signal());
        Assert.True(signal.Signal());

        Assert.True(signal.TryDrain());
        Assert.False(signal.TryDrain());
    }

    [Fact]
    public void TakeCount_AfterSignals_IsTheirSum()
    {
        using var signal = EventFd.Create(initial: 5);
        signal.Signal();
        signal.Signal();

        Assert.Equal(7UL, signal.TakeCount());
        Assert.Equal(0UL, signal.TakeCount());
    }

    [Fact]
    public void Create_IsNonBlocking()
    {
        using var signal = EventFd.Create();

        Assert.True(DescriptorFlags.IsNonBlocking(signal.Handle));
    }

    [Fact]
    public void Wrap_DuplicateOfEventFd_SharesTheCount()
    {
        using var original = EventFd.Create();
        using var wrapped = EventFd.Wrap(DescriptorFlags.Duplicate(original.Handle));

        original.Signal();

        Assert.True(wrapped.TryDrain());
        Assert.False(original.TryDrain());
    }

    [Fact]
    public void Wrap_PipeEnds_CarrySignals()
    {
        using Pipe pipe = new();
        using var reader = EventFd.Wrap(pipe.TakeReader());
        using var writer = EventFd.Wrap(pipe.TakeWriter());

        Assert.True(writer.Signal());
        Assert.True(writer.Signal());

        Assert.True(reader.TryDrain());
        Assert.False(reader.TryDrain());
    }

    [Fact]
    public void Signal_FullPipe_CountsAsSignalled()
    {
        // 64 KiB hold 8192 signals of 8 bytes; one drain empties all of them.
        const int SignalsThatOverflow = 10_000;
        using Pipe pipe = new();
        using var reader = EventFd.Wrap(pipe.TakeReader());
        using var writer = EventFd.Wrap(pipe.TakeWriter());

        for (int count = 0; count < SignalsThatOverflow; count++)
        {
            Assert.True(writer.Signal());
        }

        Assert.True(reader.TryDrain());
        Assert.False(reader.TryDrain());
    }

    [Fact]
    public void Signal_PipeWithoutReader_IsFalse()
    {
        using Pipe pipe = new();
        using var writer = EventFd.Wrap(pipe.TakeWriter());
        pipe.TakeReader().Dispose();

        Assert.False(writer.Signal());
    }

    [Fact]
    public void TryDrain_PipeWithoutWriter_IsFalse()
    {
        using Pipe pipe = new();
        using var reader = EventFd.Wrap(pipe.TakeReader());
        pipe.TakeWriter().Dispose();

        Assert.False(reader.TryDrain());
    }

    [Fact]
    public void Wrap_MemoryFile_IsRefusedAndClosed()
    {
        using var file = MemoryFile.Create("not an event", 4096);
        SafeFileHandle received = DescriptorFlags.Duplicate(file.Handle);

        LinuxException exception = Assert.Throws<LinuxException>(() => EventFd.Wrap(received));

        Assert.Equal(Errno.EINVAL, exception.Error);
        Assert.True(received.IsClosed);
    }

    [Fact]
    public void Signal_Disposed_Throws()
    {
        var signal = EventFd.Create();
        signal.Dispose();

        Assert.Throws<ObjectDisposedException>(() => signal.Signal());
    }

    [Fact]
    public void SignalAndDrain_ManyTimes_AllocatesNothing()
    {
        using var signal = EventFd.Create();

        Allocations.AssertNone(() => SignalAndDrain(signal, 10_000));
    }

    private static void SignalAndDrain(EventFd signal, int times)
    {
        for (int count = 0; count < times; count++)
        {
            signal.Signal();
            signal.TryDrain();
        }
    }
}
