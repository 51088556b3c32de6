using System.Net.Sockets;
using System.Text;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Linux.Sockets;

public sealed class ServiceNotifierTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Notify_SocketInTheFileSystem_GetsDatagrams()
    {
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(_folder["notify"]));
        ServiceNotifier notifier = new(_folder["notify"]);

        Assert.True(notifier.IsEnabled);
        Assert.True(notifier.Ready("serving\ndisk.img"));
        Assert.True(notifier.Status("working"));
        Assert.True(notifier.Stopping());

        Assert.Equal("READY=1\nSTATUS=serving disk.img", Receive(manager));
        Assert.Equal("STATUS=working", Receive(manager));
        Assert.Equal("STOPPING=1", Receive(manager));
    }

    [Fact]
    public void Notify_AbstractSocket_GetsDatagrams()
    {
        string name = $"vireo-test-{Guid.NewGuid():N}";
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint("\0" + name));

        Assert.True(new ServiceNotifier("@" + name).Ready());

        Assert.Equal("READY=1", Receive(manager));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/nonexistent/notify")]
    public void Notify_NobodyThere_IsFalse(string? address)
    {
        Assert.False(new ServiceNotifier(address).Ready());
    }

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[1024];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}
