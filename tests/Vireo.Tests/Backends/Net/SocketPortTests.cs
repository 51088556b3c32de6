using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Vireo.Backends.Net.Sockets;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Tests.Devices.Net;

namespace Vireo.Tests.Backends.Net;

/// <summary>Cables over sockets: the framing that QEMU and passt speak, with peers that do as they please.</summary>
public sealed class SocketPortTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly string _folder = Directory.CreateTempSubdirectory("vireo-net-").FullName;

    public void Dispose()
    {
        _loops.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Stream_PeerConnects_FramesGoBothWays()
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        Assert.False(port.IsLinkUp);
        FakeNetQueue queue = Open(port, out INetSender sender);
        using Socket peer = ConnectTo(Unix("cable"));
        Wait(() => port.IsLinkUp, "the link comes up");

        byte[] sent = Packets.Plain(1500);
        byte[] other = Packets.Plain(60);
        peer.Send([.. Prefixed(sent), .. Prefixed(other)]);
        Wait(() => queue.Frames.Length == 2, "two frames come");
        Assert.Equal([sent, other], queue.Frames);

        OnLoop(() =>
        {
            sender.Send(new(default, sent, [], sent.Length));
            sender.Send(new(default, other, [], other.Length));
            sender.Flush();
        });
        Assert.Equal([.. Prefixed(sent), .. Prefixed(other)], Receive(peer, 8 + 1560));
    }

    [Fact]
    public void Stream_FrameInPieces_IsPutTogether()
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        FakeNetQueue queue = Open(port, out _);
        using Socket peer = ConnectTo(Unix("cable"));
        byte[] frame = Packets.Plain(100);

        foreach (byte piece in Prefixed(frame))
        {
            peer.Send([piece]);
        }

        Wait(() => queue.Frames.Length == 1, "the frame comes");
        Assert.Equal(frame, queue.Frames[0]);
    }

    [Theory]
    [InlineData(0xffff_ffffu)]
    [InlineData(65_558u + 100)]
    public void Stream_ImpossibleLength_EndsTheConnectionAndAnotherMayCome(uint length)
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        FakeNetQueue queue = Open(port, out _);
        using Socket bad = ConnectTo(Unix("cable"));
        Wait(() => port.IsLinkUp, "the link comes up");
        byte[] prefix = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(prefix, length);

        bad.Send(prefix);

        Assert.Equal(0, bad.Receive(new byte[1]));
        Wait(() => !port.IsLinkUp, "the link goes down");
        using Socket good = ConnectTo(Unix("cable"));
        good.Send(Prefixed(Packets.Plain(64)));
        Wait(() => queue.Frames.Length == 1, "a frame of the next peer comes");
    }

    [Theory]
    [InlineData(0xffff_ffffu)]
    [InlineData(0x8000_0000u)]
    [InlineData(65_558u + 100)]
    public void Stream_ImpossibleLengthBehindAFrame_EndsTheConnectionAndAnotherMayCome(uint length)
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        FakeNetQueue queue = Open(port, out _);
        using Socket bad = ConnectTo(Unix("cable"));
        byte[] prefix = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(prefix, length);

        // One message, so that both are read at once.
        bad.Send([.. Prefixed(Packets.Plain(64)), .. prefix, .. new byte[70_000]]);

        Wait(() => queue.Frames.Length == 1, "the frame before it comes");
        Wait(() => port.Counters.ReceiveDrops == 1 && !port.IsLinkUp, "the link goes down");
        using Socket good = ConnectTo(Unix("cable"));
        good.Send(Prefixed(Packets.Plain(64)));
        Wait(() => queue.Frames.Length == 2, "a frame of the next peer comes");
    }

    [Fact]
    public void Stream_ConnectingOverIp_ComesBackAfterThePeer()
    {
        using Socket first = ListenOn(new IPEndPoint(IPAddress.Loopback, 0));
        using var port = StreamPort.Connect(first.LocalEndPoint!, _loops);
        FakeNetQueue queue = Open(port, out _);
        first.Accept().Dispose();
        Wait(() => !port.IsLinkUp, "the link goes down");

        using Socket again = first.Accept();

        Wait(() => port.IsLinkUp, "the link comes back");
        again.Send(Prefixed(Packets.Plain(64)));
        Wait(() => queue.Frames.Length == 1, "a frame comes");
    }

    [Fact]
    public void Stream_FrameWithoutAddresses_IsDropped()
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        FakeNetQueue queue = Open(port, out _);
        using Socket peer = ConnectTo(Unix("cable"));

        peer.Send([.. Prefixed(new byte[13]), .. Prefixed([]), .. Prefixed(Packets.Plain(60))]);

        Wait(() => queue.Frames.Length == 1, "the third frame comes");
        Assert.Equal(2, port.Counters.ReceiveDrops);
    }

    [Fact]
    public void Stream_PeerThatDoesNotRead_FillsUpAndDrains()
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        Open(port, out INetSender sender);
        using Socket peer = ConnectTo(Unix("cable"));
        Wait(() => port.IsLinkUp, "the link comes up");
        byte[] frame = Packets.Plain(9000);
        long count = 0;
        OnLoop(() =>
        {
            // The buffers of the kernel and ours end somewhere.
            while (sender.HasRoom && count < 100_000)
            {
                sender.Send(new(default, frame, [], frame.Length));
                sender.Flush();
                count++;
            }
        });
        Assert.InRange(count, 1, 99_999);

        byte[] all = Receive(peer, (int)count * 9004);

        Assert.Equal(frame, all[^9000..]);
        bool hasRoom = false;
        Wait(
            () =>
            {
                OnLoop(() => hasRoom = sender.HasRoom);
                return hasRoom;
            },
            "there is room again"
        );
        Assert.Equal(0, port.Counters.SendDrops);
    }

    [Fact]
    public void Stream_Connecting_ComesBackAfterThePeer()
    {
        using Socket first = ListenOn(Unix("server"));
        using var port = StreamPort.Connect(Unix("server"), _loops);
        Open(port, out _);
        Assert.True(port.IsLinkUp);
        first.Accept().Dispose();
        Wait(() => !port.IsLinkUp, "the link goes down");

        using Socket again = first.Accept();

        Wait(() => port.IsLinkUp, "the link comes back");
    }

    [Fact]
    public void Stream_OverIp_FramesCome()
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen();
        using var port = StreamPort.Connect(server.LocalEndPoint!, _loops);
        FakeNetQueue queue = Open(port, out _);
        using Socket peer = server.Accept();

        peer.Send(Prefixed(Packets.Plain(77)));

        Wait(() => queue.Frames.Length == 1, "the frame comes");
    }

    [Fact]
    public void Stream_NobodyThere_IsSaid() =>
        Assert.Equal(
            Errno.ENOENT,
            Assert.Throws<LinuxException>(() => StreamPort.Connect(Unix("nobody"), _loops)).Error
        );

    [Fact]
    public void Stream_QueueWithoutBuffers_KeepsTheFrame()
    {
        using var port = StreamPort.Listen(Unix("cable"), _loops);
        FakeNetQueue queue = Open(port, out _);
        queue.IsFull = true;
        using Socket peer = ConnectTo(Unix("cable"));
        peer.Send([.. Prefixed(Packets.Plain(60)), .. Prefixed(Packets.Plain(61))]);
        Wait(() => port.IsLinkUp, "the link comes up");
        queue.IsFull = false;

        Wait(
            () =>
            {
                OnLoop(queue.Wake);
                return queue.Frames.Length == 2;
            },
            "both frames come"
        );

        Assert.Equal([60, 61], queue.Frames.Select(static frame => frame.Length));
    }

    [Fact]
    public void Datagram_FramesGoBothWays()
    {
        using DatagramPort left = new(Unix("left"), Unix("right"), _loops);
        using DatagramPort right = new(Unix("right"), Unix("left"), _loops);
        Open(left, out INetSender sender);
        FakeNetQueue queue = Open(right, out INetSender back);
        FakeNetQueue leftQueue = Open(left, out _);
        byte[] frame = Packets.Plain(9014);

        OnLoop(() => sender.Send(new(default, frame, [], frame.Length)));
        OnLoop(() => back.Send(new(default, frame, [], frame.Length)));

        Wait(() => queue.Frames.Length == 1 && leftQueue.Frames.Length == 1, "the frames come");
        Assert.Equal(frame, queue.Frames[0]);
        Assert.Equal(0, left.Counters.SendDrops);
    }

    [Fact]
    public void Datagram_NobodyThere_FramesAreDroppedUntilSomebodyComes()
    {
        using DatagramPort port = new(Unix("left"), Unix("right"), _loops);
        Open(port, out INetSender sender);
        byte[] frame = Packets.Plain(60);
        OnLoop(() => sender.Send(new(default, frame, [], frame.Length)));
        Assert.Equal(1, port.Counters.SendDrops);

        using DatagramPort other = new(Unix("right"), Unix("left"), _loops);
        FakeNetQueue queue = Open(other, out _);
        OnLoop(() => sender.Send(new(default, frame, [], frame.Length)));

        Wait(() => queue.Frames.Length == 1, "the frame comes");
    }

    private static byte[] Prefixed(byte[] frame)
    {
        byte[] bytes = new byte[4 + frame.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, frame.Length);
        frame.CopyTo(bytes, 4);
        return bytes;
    }

    private static byte[] Receive(Socket socket, int length)
    {
        socket.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        byte[] bytes = new byte[length];
        int at = 0;
        while (at < length)
        {
            int count = socket.Receive(bytes.AsSpan(at));
            Assert.NotEqual(0, count);
            at += count;
        }

        return bytes;
    }

    private static Socket ConnectTo(EndPoint address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Patience.TotalMilliseconds,
        };
        socket.Connect(address);
        return socket;
    }

    private static Socket ListenOn(EndPoint address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Patience.TotalMilliseconds,
        };
        socket.Bind(address);
        socket.Listen();
        return socket;
    }

    private static void Wait(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, Patience), $"in {Patience.TotalSeconds} s: {what}");

    private UnixDomainSocketEndPoint Unix(string name) => new(Path.Combine(_folder, name));

    private void OnLoop(Action action) => _loops[0].Invoke(action);

    private FakeNetQueue Open(INetPort port, out INetSender sender)
    {
        FakeNetQueue queue = new();
        INetReceiver receiver = port.OpenReceiver(0, queue);
        OnLoop(() =>
        {
            queue.Receiver = receiver;
            queue.Wake();
        });
        sender = port.OpenSender(0, queue);
        return queue;
    }
}
