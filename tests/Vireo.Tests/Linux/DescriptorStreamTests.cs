using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Tests.Linux;

public sealed class DescriptorStreamTests
{
    [Fact]
    public void Pipe_BytesAndTheEnd_ComeThrough()
    {
        using Pipe pipe = new();
        using var reader = DescriptorStream.Wrap(pipe.TakeReader());
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());
        byte[] room = new byte[8];
        Assert.False(reader.TryRead(room, out int count));

        Assert.True(writer.TryWrite([1, 2, 3], out count));
        Assert.Equal(3, count);
        Assert.True(reader.TryRead(room, out count));
        Assert.Equal([1, 2, 3], room[..count]);

        writer.Dispose();
        Assert.True(reader.TryRead(room, out count));
        Assert.Equal(0, count);
    }

    [Fact]
    public void Write_FullPipe_SaysThereIsNoRoom()
    {
        using Pipe pipe = new();
        using SafeFileHandle reader = pipe.TakeReader();
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());
        byte[] much = new byte[1 << 20];

        Assert.True(writer.TryWrite(much, out int count));
        Assert.InRange(count, 1, much.Length - 1);
        Assert.False(writer.TryWrite(much, out _));
    }

    [Fact]
    public void Write_NobodyReads_Throws()
    {
        using Pipe pipe = new();
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());
        pipe.TakeReader().Dispose();

        LinuxException exception = Assert.Throws<LinuxException>(() => writer.TryWrite([1], out _));

        Assert.Equal(Errno.EPIPE, exception.Error);
    }

    [Fact]
    public void Wrap_File_CannotBeWatchedAndIsReadToItsEnd()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["state"], [7, 8]);
        using var stream = DescriptorStream.Wrap(File.OpenHandle(folder["state"]));
        byte[] room = new byte[8];

        Assert.False(stream.CanBeWatched);
        Assert.True(stream.TryRead(room, out int count));
        Assert.Equal([7, 8], room[..count]);
        Assert.True(stream.TryRead(room, out count));
        Assert.Equal(0, count);
    }

    [Fact]
    public void Wrap_EventDescriptor_IsRefusedAndClosed()
    {
        var descriptor = EventFd.Create();

        Assert.Throws<LinuxException>(() => DescriptorStream.Wrap(descriptor.Handle));

        Assert.True(descriptor.Handle.IsClosed);
    }
}
