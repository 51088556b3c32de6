using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net;

/// <summary>Reads frames from a descriptor of the host: a queue of a tap, or an interface.</summary>
/// <remarks>
/// A frame for which the driver has no buffer is kept, and nothing more is read until it has found one: the kernel then keeps
/// what comes, up to the interface's own limit.
/// </remarks>
internal sealed class FrameReceiver : INetReceiver, ILoopWatcher
{
    private readonly IFrameDescriptor _frames;
    private readonly int _headerBytes;
    private readonly INetReceiveQueue _queue;
    private readonly EventLoop _loop;
    private readonly NetPortCounters _counters;
    private readonly Action _closed;
    private readonly LoopWatch _watch;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(
        NetTunnelOffsets.HeaderBytes + NetFrame.LengthMax + 1,
        pinned: true
    );

    /// <summary>Length of the frame that waits for a buffer; 0 for none. Its header is in _header.</summary>
    private int _waitingBytes;

    private NetHeader _header;
    private NetTunnelOffsets _tunnel;

    /// <summary>Makes a receiver.</summary>
    public FrameReceiver(
        IFrameDescriptor frames,
        int headerBytes,
        INetReceiveQueue queue,
        EventLoop loop,
        NetPortCounters counters,
        Action closed
    )
    {
        _frames = frames;
        _headerBytes = headerBytes;
        _queue = queue;
        _loop = loop;
        _counters = counters;
        _closed = closed;
        // Told once for each change: the queue reads until nothing is there, or stays awake.
        _watch = NetLoopAccess.Watch(loop, frames.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, this);
    }

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events) => _queue.Wake();

    /// <inheritdoc/>
    public int Receive(int countMax)
    {
        int count = 0;
        while (count < countMax && (_waitingBytes > 0 || TryRead(ref count)))
        {
            NetFrame frame = new(_header, _buffer.AsSpan(_headerBytes, _waitingBytes), [], _waitingBytes)
            {
                Tunnel = _tunnel,
            };
            if (_queue.Deliver(in frame) == NetDelivery.Full)
            {
                return count;
            }

            _waitingBytes = 0;
            count++;
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NetLoopAccess.End(_loop, _watch);
        _closed();
    }

    /// <summary>Reads a frame that can be used, passing over those that cannot.</summary>
    private bool TryRead(ref int count)
    {
        while (true)
        {
            int bytes = _frames.Read(_buffer);
            if (bytes < 0)
            {
                return false;
            }

            int frameBytes = bytes - _headerBytes;
            bool isFrame = frameBytes is >= NetFrame.EthernetBytes and <= NetFrame.LengthMax;
            if (isFrame && TryCheck(frameBytes))
            {
                _waitingBytes = frameBytes;
                return true;
            }

            _counters.AddReceiveDrop();
            count++;
        }
    }

    /// <summary>Checks the header of a frame that was read.</summary>
    private bool TryCheck(int frameBytes)
    {
        NetHeader header = Wire.Read<NetHeader>(_buffer);
        if (!header.IsTunnel)
        {
            return NetHeaderCheck.TryNormalize(header, frameBytes, NetOffloads.All, out _header);
        }

        if (_headerBytes < NetTunnelOffsets.HeaderBytes)
        {
            return false;
        }

        _tunnel = NetTunnelOffsets.Read(_buffer);
        ReadOnlySpan<byte> head = _buffer.AsSpan(_headerBytes, Math.Min(frameBytes, NetHeaderCheck.TunnelHeadBytes));
        return NetHeaderCheck.TryNormalizeTunnel(header, ref _tunnel, head, frameBytes, NetOffloads.All, out _header);
    }
}
