using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The data plane of one transmit queue (VIRTIO 1.4 §5.1.6.2).</summary>
/// <remarks>
/// Each packet's header is copied, checked and made reliable; the packet itself is handed to the port where it lies. What is wrong
/// is dropped and counted, as a network does.
/// </remarks>
internal sealed class NetTransmitQueueHandler : QueueHandler, INetQueue
{
    /// <summary>How much of a packet is looked at to recognize its flow.</summary>
    private const int HeadBytes = 128;

    /// <summary>Room for the segments of a usual packet.</summary>
    private const int SegmentsAtStart = 32;

    private readonly NetDevice _device;
    private readonly NetQueueStatistics _statistics;
    private readonly NetOffloads _offloads;
    private readonly uint _headerBytes;
    private readonly byte[] _head = new byte[HeadBytes];

    /// <summary>The segments of the packet at hand; grows to the longest chain.</summary>
    private Segment[] _segments = new Segment[SegmentsAtStart];

    /// <summary>The same less what was copied to the head.</summary>
    private Segment[] _rest = new Segment[SegmentsAtStart];

    private INetSender? _sender;

    /// <summary>Makes the data plane of a queue.</summary>
    /// <param name="device">The device, whose features are negotiated.</param>
    /// <param name="statistics">Where the queue counts.</param>
    public NetTransmitQueueHandler(NetDevice device, NetQueueStatistics statistics)
    {
        _device = device;
        _statistics = statistics;
        _offloads = device.SendOffloads;
        _headerBytes = (uint)device.HeaderBytes;
    }

    /// <inheritdoc/>
    public int LoopIndex => _device.LoopOf(QueueIndex);

    /// <inheritdoc/>
    public void Wake() => Loop.Activate(this);

    /// <inheritdoc/>
    protected override bool WantsChains => _sender!.HasRoom;

    /// <inheritdoc/>
    protected override void OnStarting()
    {
        int pair = NetDevice.PairOf(QueueIndex);
        _sender = _device.Port.OpenSender(pair < _device.Port.Traits.PairsMax ? pair : 0, this);
    }

    /// <inheritdoc/>
    protected override bool TakeChains()
    {
        bool hasTaken = base.TakeChains();
        if (hasTaken)
        {
            _sender!.Flush();
        }

        return hasTaken;
    }

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        if (!TrySend(in chain))
        {
            _statistics.AddError();
        }

        Complete(chain.Head, writtenBytes: 0);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _sender?.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool TrySend(in DescriptorChain chain)
    {
        ReadOnlySpan<Segment> pieces = chain.Readable;
        // Nearly every driver puts header and packet into one piece: then it is looked at where it lies.
        if (pieces.Length == 1 && (uint)pieces[0].Length >= _headerBytes)
        {
            NetHeader header = Wire.Read<NetHeader>(pieces[0].Bytes);
            _segments[0] = pieces[0].Slice((int)_headerBytes, pieces[0].Length - (int)_headerBytes);
            return TrySend(header, _segments.AsSpan(0, 1), (uint)_segments[0].Length);
        }

        return TrySendPieces(in chain);
    }

    private bool TrySendPieces(in DescriptorChain chain)
    {
        ChainReader reader = chain.Reader;
        if (!reader.TryRead(out NetHeader header) || !reader.TrySkip(_headerBytes - NetHeader.LengthBytes))
        {
            return false;
        }

        if (_segments.Length < chain.Readable.Length)
        {
            Array.Resize(ref _segments, chain.Readable.Length);
            Array.Resize(ref _rest, chain.Readable.Length);
        }

        uint length = reader.Remaining;
        reader.TryTake(length, _segments, out int used);
        return TrySend(header, _segments.AsSpan(0, used), length);
    }

    /// <summary>Checks a packet and hands it to the port.</summary>
    private bool TrySend(NetHeader header, ReadOnlySpan<Segment> packet, uint lengthBytes)
    {
        if (lengthBytes is < NetFrame.EthernetBytes or > NetFrame.LengthMax)
        {
            return false;
        }

        if (!header.IsPlain || header.HeaderBytes != 0)
        {
            if (!NetHeaderCheck.TryNormalize(header, (int)lengthBytes, _offloads, out header))
            {
                return false;
            }

            // Whether a checksum is right is for the network to find out, not for the sender to claim.
            header = header.IsChecksumPartial ? header : default;
        }

        NetReceiveState state = _device.State;
        if (!state.IsLinkUp)
        {
            _statistics.AddFiltered();
            return true;
        }

        NetFrame frame = new(header, [], packet, (int)lengthBytes);
        if (state.SteersByFlow)
        {
            frame = frame.WithHead(_head, _rest);
            _device.Flows.Note(frame.Head, NetDevice.PairOf(QueueIndex));
        }

        _sender!.Send(in frame);
        _statistics.AddPacket((int)lengthBytes);
        if (!header.IsPlain)
        {
            _statistics.AddOffload(header, (int)lengthBytes);
        }

        return true;
    }
}
