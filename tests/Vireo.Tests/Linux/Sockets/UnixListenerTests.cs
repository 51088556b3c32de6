using Vireo.Linux;
using Vireo.Linux.Files;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Linux.Sockets;

public sealed class UnixListenerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TryAccept_NobodyWaits_IsNull()
    {
        using var listener = UnixListener.Listen(_folder["socket"]);

        Assert.Null(listener.TryAccept());
    }

    [Fact]
    public void TryAccept_AfterConnect_GivesConnectedChannels()
    {
        using var listener = UnixListener.Listen(_folder["socket"]);
        using var client = UnixChannel.Connect(_folder["socket"]);
        using UnixChannel? server = listener.TryAccept();
        byte[] buffer = new byte[16];

        Assert.NotNull(server);
        Assert.Equal(SendOutcome.Sent, client.Send("hello"u8));
        Assert.Equal(ReceiveOutcome.Received, server.TryReceive(buffer, out int count));
        Assert.Equal("hello"u8, buffer.AsSpan(0, count));
        Assert.True(DescriptorFlags.IsNonBlocking(server.Handle));
        Assert.True(DescriptorFlags.IsNonBlocking(client.Handle));
    }

    [Fact]
    public void Listen_LeftOverOfADeadProcess_ReplacesIt()
    {
        string path = _folder["socket"];
        LeaveSocketBehind(path);

        using var listener = UnixListener.Listen(path);
        using var client = UnixChannel.Connect(path);

        Assert.NotNull(listener.TryAccept());
    }

    [Fact]
    public void Listen_SomebodyListens_ThrowsAndLeavesThemAlone()
    {
        string path = _folder["socket"];
        using var first = UnixListener.Listen(path);

        LinuxException exception = Assert.Throws<LinuxException>(() => UnixListener.Listen(path));

        Assert.Equal(Errno.EADDRINUSE, exception.Error);
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        using var client = UnixChannel.Connect(path);
    }

    [Fact]
    public void Listen_PathIsAFile_ThrowsAndLeavesItAlone()
    {
        string path = _folder["file"];
        File.WriteAllText(path, "precious");

        LinuxException exception = Assert.Throws<LinuxException>(() => UnixListener.Listen(path));

        Assert.Equal(Errno.EEXIST, exception.Error);
        Assert.Equal("precious", File.ReadAllText(path));
    }

    [Fact]
    public void Listen_NoSuchDirectory_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() => UnixListener.Listen(_folder["no/socket"]));

        Assert.Equal(Errno.ENOENT, exception.Error);
    }

    [Fact]
    public void Dispose_RemovesItsOwnSocket()
    {
        string path = _folder["socket"];
        var listener = UnixListener.Listen(path);
        Assert.True(File.Exists(path));

        listener.Dispose();

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Dispose_PathTakenByAnother_LeavesItAlone()
    {
        string path = _folder["socket"];
        var listener = UnixListener.Listen(path);
        File.Delete(path);
        using var other = UnixListener.Listen(path);

        listener.Dispose();

        Assert.True(File.Exists(path));
    }

    [Fact]
    public void Listen_PathLongerThanTheKernelTakes_Works()
    {
        string folder = _folder[new string('d', 120)];
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "socket");

        using (var listener = UnixListener.Listen(path))
        {
            Assert.True(File.Exists(path));
            using var client = UnixChannel.Connect(path);
            Assert.NotNull(listener.TryAccept());
        }

        Assert.False(File.Exists(path));
        LeaveSocketBehind(path);
        using var replacing = UnixListener.Listen(path);
    }

    [Theory]
    [InlineData(107)]
    [InlineData(108)]
    [InlineData(109)]
    public void Listen_PathAroundTheLimit_Works(int length)
    {
        string path = _folder[new string('s', length - _folder.Path.Length - 1)];
        Assert.Equal(length, path.Length);

        using var listener = UnixListener.Listen(path);
        using var client = UnixChannel.Connect(path);

        Assert.NotNull(listener.TryAccept());
    }

    [Fact]
    public void Listen_NameItselfTooLong_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() =>
            UnixListener.Listen(_folder[new string('s', 110)])
        );

        Assert.Equal(Errno.ENAMETOOLONG, exception.Error);
    }

    [Fact]
    public void Listen_WithMode_SetsItExactly()
    {
        UnixListenerOptions options = new() { Mode = 0x1B6 };
        using var listener = UnixListener.Listen(_folder["socket"], options);

        Assert.Equal(0x1B6, FileStatus.TryGet(_folder["socket"])?.Permissions);
    }

    [Fact]
    public void Listen_WithGroup_GivesTheSocketToIt()
    {
        uint own = FileStatus.TryGet(_folder.Path)!.GroupId;
        using var listener = UnixListener.Listen(_folder["socket"], new UnixListenerOptions { GroupId = own });

        Assert.Equal(own, FileStatus.TryGet(_folder["socket"])?.GroupId);
    }

    [Fact]
    public void FromDescriptor_ListeningSocket_AcceptsAndLeavesThePath()
    {
        string path = _folder["socket"];
        using var original = UnixListener.Listen(path);
        using (var inherited = UnixListener.FromDescriptor(DescriptorFlags.Duplicate(original.Handle)))
        {
            using var client = UnixChannel.Connect(path);
            Assert.NotNull(inherited.TryAccept());
            Assert.Null(inherited.Path);
        }

        Assert.True(File.Exists(path));
    }

    [Fact]
    public void FromDescriptor_ConnectedSocket_IsRefused()
    {
        (UnixChannel first, UnixChannel second) = UnixChannel.CreatePair();
        using (first)
        using (second)
        {
            LinuxException exception = Assert.Throws<LinuxException>(() =>
                UnixListener.FromDescriptor(DescriptorFlags.Duplicate(first.Handle))
            );

            Assert.Equal(Errno.EINVAL, exception.Error);
        }
    }

    [Fact]
    public void Connect_NobodyListens_Throws()
    {
        LeaveSocketBehind(_folder["socket"]);

        LinuxException refused = Assert.Throws<LinuxException>(() => UnixChannel.Connect(_folder["socket"]));
        LinuxException missing = Assert.Throws<LinuxException>(() => UnixChannel.Connect(_folder["nothing"]));

        Assert.Equal(Errno.ECONNREFUSED, refused.Error);
        Assert.Equal(Errno.ENOENT, missing.Error);
    }

    [Fact]
    public void GroupDatabase_KnownNamesAndNumbers_AreFound()
    {
        Assert.Equal(0u, GroupDatabase.TryFind("root"));
        Assert.Equal(12345u, GroupDatabase.TryFind("12345"));
        Assert.Null(GroupDatabase.TryFind("no such group"));
    }

    /// <summary>What a killed process leaves: a socket in the file system that nobody listens on.</summary>
    private static void LeaveSocketBehind(string path)
    {
        string moved = path + "-";
        var listener = UnixListener.Listen(moved);
        File.Move(moved, path);
        listener.Dispose();
        Assert.True(File.Exists(path));
    }
}
