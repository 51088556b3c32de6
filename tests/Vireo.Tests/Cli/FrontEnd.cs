using System.Net.Sockets;
using Vireo.Linux.Native;

namespace Vireo.Tests.Cli;

/// <summary>The least that can be asked of a vhost-user back-end: what it offers.</summary>
internal static class FrontEnd
{
    private const int GetFeatures = 1;
    private const int HeaderBytes = 12;
    private const int ReplyBytes = HeaderBytes + sizeof(ulong);
    private const int TimeoutMs = 30_000;

    public static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    public static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen();
        return socket;
    }

    /// <summary>Lets processes that are started from now on have the socket, under the number that is returned.</summary>
    public static int MakeInheritable(Socket socket)
    {
        int number = (int)socket.Handle;
        Assert.Equal(0, LibC.fcntl_number(number, LibC.F_SETFD, 0));
        return number;
    }

    /// <summary>Asks a back-end for its features, and checks that the answer is one.</summary>
    public static void AssertAnswers(Socket socket)
    {
        socket.SendTimeout = TimeoutMs;
        socket.ReceiveTimeout = TimeoutMs;
        byte[] request = new byte[HeaderBytes];
        BitConverter.TryWriteBytes(request, GetFeatures);
        BitConverter.TryWriteBytes(request.AsSpan(4), 1);
        socket.Send(request);

        byte[] reply = new byte[ReplyBytes];
        int count = 0;
        while (count < reply.Length)
        {
            int read = socket.Receive(reply.AsSpan(count));
            Assert.NotEqual(0, read);
            count += read;
        }

        Assert.Equal(GetFeatures, BitConverter.ToInt32(reply, 0));
        // VIRTIO_F_VERSION_1: no device is without it.
        Assert.NotEqual(0UL, BitConverter.ToUInt64(reply, HeaderBytes) & (1UL << 32));
    }
}
