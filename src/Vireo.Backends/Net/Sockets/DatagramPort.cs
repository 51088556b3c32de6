using System.Net;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net.Sockets;

/// <summary>A cable over datagrams: each frame is one. What QEMU's <c>-netdev dgram</c> speaks.</summary>
/// <remarks>
/// The link is always up: nobody can tell whether the other side is there. What it does not take is lost and counted, as in a
/// network. Everything happens on the first loop.
/// </remarks>
public sealed class DatagramPort : INetPort, ILoopWatcher, IDisposable
{
    private const int PiecesAtStart = 64;

    private readonly EventLoop _loop;
    private readonly EndPoint _peer;
    private readonly NetSocket _socket;
    private readonly LoopWatch _watch;

    /// <summary>The datagram at hand; one byte longer than the longest frame, to see one that is too long.</summary>
    private readonly byte[] _in = GC.AllocateUninitializedArray<byte>(NetFrame.LengthMax + 1, pinned: true);

    /// <summary>What of a frame does not lie in a driver's memory.</summary>
    private readonly OwnedMemory _head = new(NetFrame.LengthMax);

    private Segment[] _pieces = new Segment[PiecesAtStart];
    private INetReceiveQueue? _receiveQueue;

    /// <summary>Length of the frame that waits for a buffer; 0 for none.</summary>
    private int _waitingBytes;

    /// <summary>Makes a socket with both ends.</summary>
    /// <param name="local">Its own address: a UNIX path, or an IP address with a port.</param>
    /// <param name="peer">The other side's; a UNIX peer may come later.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="LinuxException">An address is in use, or not this host's.</exception>
    public DatagramPort(EndPoint local, EndPoint peer, EventLoopGroup loops)
    {
        ArgumentNullException.ThrowIfNull(loops);
        _loop = loops[0];
        _peer = peer;
        _socket = NetSocket.BindDatagram(local, peer);
        _watch = NetLoopAccess.Watch(_loop, _socket.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, this);
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; } = new();

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <summary>What got lost on the way.</summary>
    public NetPortCounters Counters { get; } = new();

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => new Sender(this);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        _loop.Invoke(() => _receiveQueue = queue);
        return new Receiver(this);
    }

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        byte[] copy = frame.ToArray();
        _loop.Invoke(() => Send(new(default, copy, [], copy.Length)));
    }

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events) => _receiveQueue?.Wake();

    /// <inheritdoc/>
    public void Dispose()
    {
        NetLoopAccess.End(_loop, _watch);
        _socket.Dispose();
        _head.Dispose();
    }

    private void Send(in NetFrame frame)
    {
        int count = Collect(in frame);
        ReadOnlySpan<Segment> pieces = _pieces.AsSpan(0, count);
        int result = _socket.Write(Wire.Reinterpret<Segment, IoVector>(pieces));
        if (result is -(int)Errno.ENOTCONN or -(int)Errno.EDESTADDRREQ or -(int)Errno.ECONNREFUSED)
        {
            // A UNIX peer that came, or came back, is found by its name.
            result = _socket.TryConnect(_peer) ? _socket.Write(Wire.Reinterpret<Segment, IoVector>(pieces)) : result;
        }

        if (result < 0)
        {
            Counters.AddSendDrop();
        }
    }

    private int Collect(in NetFrame frame)
    {
        int room = frame.Rest.Length + 1;
        if (room > NetSocket.VectorsMax)
        {
            // A frame in more pieces than one call takes: only a driver with bad intentions makes one.
            _pieces[0] = _head.Slice(0, frame.LengthBytes);
            frame.CopyTo(_pieces[0].Bytes);
            return 1;
        }

        if (_pieces.Length < room)
        {
            Array.Resize(ref _pieces, NetSocket.VectorsMax);
        }

        int count = 0;
        if (!frame.Head.IsEmpty)
        {
            _pieces[count] = _head.Slice(0, frame.Head.Length);
            frame.Head.CopyTo(_pieces[count++].Bytes);
        }

        frame.Rest.CopyTo(_pieces.AsSpan(count));
        return count + frame.Rest.Length;
    }

    private int Receive(int countMax)
    {
        int count = 0;
        while (count < countMax && _receiveQueue is not null && (_waitingBytes > 0 || TryRead(ref count)))
        {
            NetFrame frame = new(default, _in.AsSpan(0, _waitingBytes), [], _waitingBytes);
            if (_receiveQueue.Deliver(in frame) == NetDelivery.Full)
            {
                return count;
            }

            _waitingBytes = 0;
            count++;
        }

        return count;
    }

    /// <summary>Reads a frame that can be used, passing over what cannot.</summary>
    private bool TryRead(ref int count)
    {
        while (true)
        {
            int bytes = _socket.Read(_in);
            if (bytes == -(int)Errno.ECONNREFUSED)
            {
                // A message of the network that an earlier frame found nobody.
                continue;
            }

            if (bytes < 0)
            {
                return false;
            }

            if (bytes is >= NetFrame.EthernetBytes and <= NetFrame.LengthMax)
            {
                _waitingBytes = bytes;
                return true;
            }

            Counters.AddReceiveDrop();
            count++;
        }
    }

    private sealed class Sender(DatagramPort port) : INetSender
    {
        public bool HasRoom => true;

        public void Send(in NetFrame frame) => port.Send(in frame);

        public void Flush() { }

        public void Dispose() { }
    }

    private sealed class Receiver(DatagramPort port) : INetReceiver
    {
        public int Receive(int countMax) => port.Receive(countMax);

        public void Dispose() => port._loop.Invoke(() => port._receiveQueue = null);
    }
}
