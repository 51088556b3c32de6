using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Native;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Linux.Sockets;

public sealed class InheritedDescriptorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Adopt_ListeningSocket_BecomesAListener()
    {
        using var original = UnixListener.Listen(_folder["socket"]);
        using var inherited = InheritedDescriptor.Adopt(AsInherited(original.Handle), "name");

        Assert.True(inherited.IsListening);
        Assert.Equal("name", inherited.Name);
        using UnixListener listener = inherited.ToListener();
        using var client = UnixChannel.Connect(_folder["socket"]);
        Assert.NotNull(listener.TryAccept());
    }

    [Fact]
    public void Adopt_ConnectedSocket_BecomesAChannel()
    {
        (UnixChannel near, UnixChannel far) = UnixChannel.CreatePair();
        using (near)
        using (far)
        {
            using var inherited = InheritedDescriptor.Adopt(AsInherited(near.Handle));

            Assert.False(inherited.IsListening);
            using UnixChannel channel = inherited.ToChannel();
            Assert.Equal(SendOutcome.Sent, channel.Send("x"u8));
        }
    }

    [Fact]
    public void Adopt_NumberThatIsNotOpen_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() => InheritedDescriptor.Adopt(1_000_000));

        Assert.Equal(Errno.EBADF, exception.Error);
        Assert.Contains("1000000", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Adopt_DescriptorOfThisProcessItself_IsRefusedAndStaysOpen()
    {
        using var listener = UnixListener.Listen(_folder["socket"]);
        using DescriptorLease lease = new(listener.Handle);
        int number = lease.Number;

        LinuxException exception = Assert.Throws<LinuxException>(() => InheritedDescriptor.Adopt(number));

        Assert.Equal(Errno.EBADF, exception.Error);
        Assert.Null(listener.TryAccept());
    }

    [Fact]
    public void Adopt_NoSocket_IsRefusedAndStaysOpen()
    {
        using var signal = EventFd.Create();
        int number = AsInherited(signal.Handle);

        LinuxException exception = Assert.Throws<LinuxException>(() => InheritedDescriptor.Adopt(number));

        Assert.Equal(Errno.ENOTSOCK, exception.Error);
        using SafeFileHandle still = new(number, ownsHandle: true);
        Assert.True(LibC.fcntl(still, LibC.F_GETFD, 0) >= 0);
    }

    [Fact]
    public void SocketActivation_ForThisProcess_AdoptsWithNames()
    {
        using var original = UnixListener.Listen(_folder["socket"]);
        int number = AsInherited(original.Handle);

        IReadOnlyList<InheritedDescriptor> sockets = SocketActivation.Adopt(
            $"{Environment.ProcessId}",
            "1",
            "disk:other",
            number
        );

        InheritedDescriptor socket = Assert.Single(sockets);
        Assert.Equal("disk", socket.Name);
        Assert.True(socket.IsListening);
        socket.Dispose();
    }

    [Theory]
    [InlineData(null, "1")]
    [InlineData("1", "1")]
    [InlineData("", "")]
    [InlineData("SELF", null)]
    [InlineData("SELF", "0")]
    [InlineData("SELF", "-1")]
    [InlineData("SELF", "99999999")]
    [InlineData("SELF", "many")]
    public void SocketActivation_NotForThisProcess_IsEmpty(string? pid, string? count)
    {
        string? actualPid = string.Equals(pid, "SELF", StringComparison.Ordinal) ? $"{Environment.ProcessId}" : pid;

        Assert.Empty(SocketActivation.Adopt(actualPid, count, null, 3));
    }

    /// <summary>A copy that looks as if it had come through exec.</summary>
    private static int AsInherited(SafeFileHandle handle)
    {
        const int DuplicateWithoutCloseOnExec = 0;
        using DescriptorLease lease = new(handle);
        int number = LibC.fcntl_number(lease.Number, DuplicateWithoutCloseOnExec, 100);
        Assert.True(number >= 100);
        return number;
    }
}
