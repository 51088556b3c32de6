using System.Buffers.Binary;
using System.Net;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net.Sockets;

/// <summary>A cable over a stream socket: each frame behind its length, four bytes, the most significant first.</summary>
/// <remarks>
/// What QEMU's <c>-netdev stream</c> and passt speak. The link is up while somebody is connected; who listens waits for the next
/// one, who connects tries again. A peer that breaks the rules is hung up on. Everything happens on the first loop.
/// </remarks>
public sealed class StreamPort : INetPort, ILoopWatcher, IDisposable
{
    private const int PrefixBytes = sizeof(uint);
    private const int BufferBytes = 4 * (PrefixBytes + NetFrame.LengthMax);

    private static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly EventLoop _loop;
    private readonly EndPoint _address;
    private readonly NetSocket? _listener;
    private readonly LoopWatch? _listenWatch;
    private readonly LoopTimer? _retry;

    /// <summary>Bytes from the peer that were not yet delivered: from _inBegin to _inEnd.</summary>
    private readonly byte[] _in = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);

    /// <summary>Bytes for the peer that were not yet written: from _outBegin to _outEnd.</summary>
    private readonly byte[] _out = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);

    private int _inBegin;
    private int _inEnd;
    private int _outBegin;
    private int _outEnd;

    /// <summary>The connection; null while there is none.</summary>
    private NetSocket? _socket;

    private LoopWatch? _watch;

    /// <summary>A connection that is being made, and what tells of its end; null when there is none.</summary>
    private NetSocket? _attempt;

    private LoopWatch? _attemptWatch;

    /// <summary>The queue that frames go to, while it runs.</summary>
    private INetReceiveQueue? _receiveQueue;

    /// <summary>The queue to wake when there is room again; the last one that was opened.</summary>
    private INetQueue? _sendQueue;

    /// <summary>Whether the peer does not take more now.</summary>
    private bool _isBlocked;

    private volatile bool _isConnected;

    private StreamPort(EventLoopGroup loops, EndPoint address, NetSocket? socket, NetSocket? listener)
    {
        _loop = loops[0];
        _address = address;
        _listener = listener;
        if (socket is not null)
        {
            _loop.Invoke(() => Adopt(socket));
        }

        if (listener is not null)
        {
            _listenWatch = NetLoopAccess.Watch(_loop, listener.Handle, LoopEvents.Readable, new Doorman(this));
            return;
        }

        LoopTimer? timer = null;
        _loop.Invoke(() => timer = _loop.StartTimer(RetryPeriod, RetryPeriod, Retry));
        _retry = timer;
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; } = new();

    /// <inheritdoc/>
    public bool IsLinkUp => _isConnected;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <summary>What got lost on the way.</summary>
    public NetPortCounters Counters { get; } = new();

    /// <summary>Connects to whoever listens; when that goes away, tries again every second.</summary>
    /// <param name="address">Where; a UNIX path or an IP address with a port.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="LinuxException">Nobody listens there now, or the address cannot be reached.</exception>
    public static StreamPort Connect(EndPoint address, EventLoopGroup loops) =>
        new(loops, address, NetSocket.Connect(address, ConnectTimeout), null);

    /// <summary>Listens for one peer after the other.</summary>
    /// <param name="address">Where; a UNIX path or an IP address with a port.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="LinuxException">The address is in use, or not this host's.</exception>
    public static StreamPort Listen(EndPoint address, EventLoopGroup loops) =>
        new(loops, address, null, NetSocket.Listen(address));

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue)
    {
        _loop.Invoke(() => _sendQueue = queue);
        return new Sender(this);
    }

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
        _loop.Invoke(() =>
        {
            Send(new(default, copy, [], copy.Length));
            Flush();
        });
    }

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (_isBlocked)
        {
            _isBlocked = false;
            Flush();
            _sendQueue?.Wake();
        }

        if (_receiveQueue is not null)
        {
            _receiveQueue.Wake();
        }
        else if (_inEnd - _inBegin < _in.Length / 2)
        {
            // Nobody takes frames: still, the end of the connection is to be seen.
            Fill();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Invoke(() =>
        {
            _retry?.Dispose();
            EndAttempt();
            _listenWatch?.Dispose();
            HangUp();
        });
        _listener?.Dispose();
    }

    private bool HasRoom => _out.Length - (_outEnd - _outBegin) >= PrefixBytes + NetFrame.LengthMax;

    private void Adopt(NetSocket socket)
    {
        _socket = socket;
        // Told once for each change: both directions go on until the kernel says that there is no more.
        _watch = _loop.Watch(socket.Handle, LoopEvents.Readable | LoopEvents.Writable | LoopEvents.EdgeTriggered, this);
        _isConnected = true;
        LinkChanged?.Invoke();
        _receiveQueue?.Wake();
    }

    private void HangUp()
    {
        if (_socket is null)
        {
            return;
        }

        _watch!.Dispose();
        _socket.Dispose();
        _socket = null;
        _inBegin = _inEnd = _outBegin = _outEnd = 0;
        _isBlocked = false;
        _isConnected = false;
        LinkChanged?.Invoke();
        // What waits in the driver's queue is not kept for whoever comes next.
        _sendQueue?.Wake();
    }

    private void Retry()
    {
        if (_socket is not null)
        {
            return;
        }

        // Whoever has not answered for a period is asked anew.
        EndAttempt();
        try
        {
            var socket = NetSocket.BeginConnect(_address, out bool isConnected);
            if (isConnected)
            {
                Adopt(socket);
                return;
            }

            _attempt = socket;
            _attemptWatch = _loop.Watch(socket.Handle, LoopEvents.Writable, new Caller(this));
        }
        catch (LinuxException)
        {
            // It is not there yet.
        }
    }

    /// <summary>The peer has answered, or it is known that it will not.</summary>
    private void ConcludeAttempt()
    {
        NetSocket? socket = _attempt;
        if (socket is null)
        {
            return;
        }

        _attemptWatch!.Dispose();
        _attempt = null;
        if (socket.TakeError() == Errno.None)
        {
            Adopt(socket);
        }
        else
        {
            socket.Dispose();
        }
    }

    private void EndAttempt()
    {
        if (_attempt is not null)
        {
            _attemptWatch!.Dispose();
            _attempt.Dispose();
            _attempt = null;
        }
    }

    private void Welcome()
    {
        NetSocket? guest;
        while ((guest = _listener!.TryAccept()) is not null)
        {
            if (_socket is null)
            {
                Adopt(guest);
            }
            else
            {
                // A cable has two ends.
                guest.Dispose();
            }
        }
    }

    private void Send(in NetFrame frame)
    {
        if (_socket is null || !HasRoom)
        {
            Counters.AddSendDrop();
            return;
        }

        if (_out.Length - _outEnd < PrefixBytes + frame.LengthBytes)
        {
            Compact(_out, ref _outBegin, ref _outEnd);
        }

        BinaryPrimitives.WriteInt32BigEndian(_out.AsSpan(_outEnd), frame.LengthBytes);
        frame.CopyTo(_out.AsSpan(_outEnd + PrefixBytes, frame.LengthBytes));
        _outEnd += PrefixBytes + frame.LengthBytes;
    }

    private void Flush()
    {
        while (_socket is not null && !_isBlocked && _outBegin < _outEnd)
        {
            int count = _socket.Write(_out.AsSpan(_outBegin, _outEnd - _outBegin));
            if (count == -(int)Errno.EAGAIN)
            {
                _isBlocked = true;
            }
            else if (count < 0)
            {
                HangUp();
            }
            else
            {
                _outBegin += count;
            }
        }

        if (_outBegin == _outEnd)
        {
            _outBegin = _outEnd = 0;
        }
    }

    private int Receive(int countMax)
    {
        int count = 0;
        while (count < countMax && _receiveQueue is not null && (HasFrame || Fill()))
        {
            int length = (int)FrameBytes;
            if (length < NetFrame.EthernetBytes)
            {
                Counters.AddReceiveDrop();
            }
            else
            {
                NetFrame frame = new(default, _in.AsSpan(_inBegin + PrefixBytes, length), [], length);
                if (_receiveQueue.Deliver(in frame) == NetDelivery.Full)
                {
                    return count;
                }
            }

            _inBegin += PrefixBytes + length;
            count++;
        }

        return count;
    }

    private bool HasFrame => HasPrefix && FrameBytes <= Math.Min(_inEnd - _inBegin - PrefixBytes, NetFrame.LengthMax);

    private bool HasPrefix => _inEnd - _inBegin >= PrefixBytes;

    /// <summary>What the peer says of the next frame's length; any number.</summary>
    private uint FrameBytes => BinaryPrimitives.ReadUInt32BigEndian(_in.AsSpan(_inBegin));

    /// <summary>Reads until there is a whole frame, or nothing more comes.</summary>
    /// <returns>Whether there is a whole frame.</returns>
    private bool Fill()
    {
        while (_socket is not null)
        {
            // A length that cannot be would be waited for in vain: there is no way to find the next frame.
            if (HasPrefix && FrameBytes > NetFrame.LengthMax)
            {
                Counters.AddReceiveDrop();
                HangUp();
                return false;
            }

            if (_in.Length - _inEnd < PrefixBytes + NetFrame.LengthMax)
            {
                Compact(_in, ref _inBegin, ref _inEnd);
            }

            int count = _socket.Read(_in.AsSpan(_inEnd));
            if (count == -(int)Errno.EAGAIN)
            {
                return false;
            }

            if (count <= 0)
            {
                HangUp();
                return false;
            }

            _inEnd += count;
            if (HasFrame)
            {
                return true;
            }
        }

        return false;
    }

    private static void Compact(byte[] buffer, ref int begin, ref int end)
    {
        buffer.AsSpan(begin, end - begin).CopyTo(buffer);
        end -= begin;
        begin = 0;
    }

    private sealed class Sender(StreamPort port) : INetSender
    {
        // While there is nobody, frames are taken and dropped: a cable that is not plugged in keeps none.
        public bool HasRoom => port._socket is null || port.HasRoom;

        public void Send(in NetFrame frame) => port.Send(in frame);

        public void Flush() => port.Flush();

        public void Dispose() { }
    }

    private sealed class Receiver(StreamPort port) : INetReceiver
    {
        public int Receive(int countMax) => port.Receive(countMax);

        public void Dispose() => port._loop.Invoke(() => port._receiveQueue = null);
    }

    private sealed class Caller(StreamPort port) : ILoopWatcher
    {
        public void OnEvents(LoopWatch watch, LoopEvents events) => port.ConcludeAttempt();
    }

    private sealed class Doorman(StreamPort port) : ILoopWatcher
    {
        public void OnEvents(LoopWatch watch, LoopEvents events) => port.Welcome();
    }
}
