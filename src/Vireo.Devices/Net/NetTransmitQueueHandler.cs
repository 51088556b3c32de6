using System.Buffers.Binary;
using System.Runtime.CompilerServices;
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

    /// <summary>The headers of a packet in a tunnel; made when there is one.</summary>
    private byte[]? _tunnelHead;

    /// <summary>The segments of the packet at hand; grows to the longest chain.</summary>
    private Segment[] _segments = new Segment[SegmentsAtStart];

    /// <summary>The same less what was copied to the head.</summary>
    private Segment[] _rest = new Segment[SegmentsAtStart];

    /// <summary>Where the parts of the packet at hand are said to be, if headers tell.</summary>
    private NetTunnelOffsets _tunnel;

    private INetSender? _sender;

    /// <summary>The same, if it takes bursts.</summary>
    private INetBurstSender? _burstSender;

    /// <summary>The frames of the burst at hand.</summary>
    private readonly Segment[] _burst = new Segment[DeviceQueue.PeekMax];

    private NetPace _pace;

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
        if (!_device.Port.Traits.ReadsFrames)
        {
            Queue.ReadBytesExpected = _headerBytes;
        }

        int pair = NetDevice.PairOf(QueueIndex);
        _sender = _device.Port.OpenSender(pair < _device.Port.Traits.PairsMax ? pair : 0, this);
        _burstSender = _sender as INetBurstSender;
    }

    /// <inheritdoc/>
    protected override bool TakeChains()
    {
        _pace.Wait();
        ulong before = ChainsTaken;
        if (!(_burstSender is null ? base.TakeChains() : TakeBursts(_burstSender)))
        {
            return false;
        }

        _pace.Note((int)(ChainsTaken - before));
        _sender!.Flush();
        return true;
    }

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        if (!TrySendPlain(in chain) && !TrySend(in chain))
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

    /// <summary>Takes the chains of one turn, by the burst where nothing is to be done to them.</summary>
    private bool TakeBursts(INetBurstSender sender)
    {
        Queue.SuppressKicks();
        int count = 0;
        while (count < ChainsPerTurnMax)
        {
            int sent = SendBurst(sender, ChainsPerTurnMax - count);
            if (sent == 0)
            {
                if (!Queue.TryPop(out DescriptorChain chain))
                {
                    break;
                }

                Handle(in chain);
                sent = 1;
            }

            count += sent;
        }

        return count > 0;
    }

    /// <summary>Sends the packets that are next and plain, all at once.</summary>
    /// <returns>How many there were; none when the next one is something else.</returns>
    private int SendBurst(INetBurstSender sender, int countMax)
    {
        NetReceiveState state = _device.State;
        if (!state.IsLinkUp || state.SteersByFlow)
        {
            return 0;
        }

        ReadOnlySpan<Segment> pieces = Queue.Peek(MemoryAccess.Read);
        int count = 0;
        long bytes = 0;
        foreach (ref readonly Segment piece in pieces[..Math.Min(pieces.Length, countMax)])
        {
            int lengthBytes = piece.Length - (int)_headerBytes;
            if (!IsPlain(in piece, lengthBytes))
            {
                break;
            }

            _burst[count++] = piece.Slice((int)_headerBytes, lengthBytes);
            bytes += lengthBytes;
        }

        if (count > 0)
        {
            sender.Send(new NetBurst(_burst.AsSpan(0, count), []));
            _statistics.AddPackets(count, bytes);
            CompletePeeked(count);
        }

        return count;
    }

    /// <summary>Whether nothing is to be done to a packet, so long, that lies in one piece with its header.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsPlain(in Segment piece, int lengthBytes) =>
        lengthBytes is >= NetFrame.EthernetBytes and <= NetFrame.LengthMax
        && BinaryPrimitives.ReadUInt64LittleEndian(piece.Bytes) == 0;

    /// <summary>Sends what nearly all packets are: header and packet in one piece, and nothing to be done to it.</summary>
    /// <returns>False when it is something else; nothing has been done then.</returns>
    private bool TrySendPlain(in DescriptorChain chain)
    {
        ReadOnlySpan<Segment> pieces = chain.Readable;
        NetReceiveState state = _device.State;
        if (pieces.Length != 1 || !state.IsLinkUp || state.SteersByFlow)
        {
            return false;
        }

        Segment piece = pieces[0];
        int lengthBytes = piece.Length - (int)_headerBytes;
        if (!IsPlain(in piece, lengthBytes))
        {
            return false;
        }

        _segments[0] = piece.Slice((int)_headerBytes, lengthBytes);
        _sender!.Send(new(default, [], _segments.AsSpan(0, 1), lengthBytes));
        _statistics.AddPacket(lengthBytes);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TrySend(in DescriptorChain chain)
    {
        ReadOnlySpan<Segment> pieces = chain.Readable;
        // Nearly every driver puts header and packet into one piece: then it is looked at where it lies.
        if (pieces.Length == 1 && (uint)pieces[0].Length >= _headerBytes)
        {
            NetHeader header = Wire.Read<NetHeader>(pieces[0].Bytes);
            if (_headerBytes >= NetTunnelOffsets.HeaderBytes)
            {
                _tunnel = NetTunnelOffsets.Read(pieces[0].Bytes);
            }

            _segments[0] = pieces[0].Slice((int)_headerBytes, pieces[0].Length - (int)_headerBytes);
            return TrySend(header, _segments.AsSpan(0, 1), (uint)_segments[0].Length);
        }

        return TrySendPieces(in chain);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TrySendPieces(in DescriptorChain chain)
    {
        ChainReader reader = chain.Reader;
        Span<byte> bytes = stackalloc byte[(int)_headerBytes];
        if (!reader.TryCopyTo(bytes))
        {
            return false;
        }

        NetHeader header = Wire.Read<NetHeader>(bytes);
        _tunnel = _headerBytes >= NetTunnelOffsets.HeaderBytes ? NetTunnelOffsets.Read(bytes) : default;

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
            if (header.IsTunnel || (header.Flags & NetHeader.TunnelChecksum) != 0)
            {
                return TrySendTunnel(header, packet, (int)lengthBytes);
            }

            if (!NetHeaderCheck.TryNormalize(header, (int)lengthBytes, _offloads, out header))
            {
                return false;
            }

            // Whether a checksum is right is for the network to find out, not for the sender to claim.
            header = header.IsChecksumPartial ? header : default;
        }

        Pass(new(header, [], packet, (int)lengthBytes));
        return true;
    }

    /// <summary>Checks a packet that says it is in a UDP tunnel: what was checked is a copy, and the copy is what goes on.</summary>
    private bool TrySendTunnel(NetHeader header, ReadOnlySpan<Segment> packet, int lengthBytes)
    {
        if (!header.IsTunnel)
        {
            // A flag that the driver was not told of is none. One that it was told of says nothing without a tunnel.
            byte known = (byte)(header.Flags & ~NetHeader.TunnelChecksum);
            return !_offloads.HasFlag(NetOffloads.TunnelChecksum)
                && TrySend(header with { Flags = known }, packet, (uint)lengthBytes);
        }

        _tunnelHead ??= new byte[NetHeaderCheck.TunnelHeadBytes];
        NetFrame frame = new NetFrame(default, [], packet, lengthBytes).WithHead(_tunnelHead, _rest);
        if (!NetHeaderCheck.TryNormalizeTunnel(header, ref _tunnel, frame.Head, lengthBytes, _offloads, out header))
        {
            return false;
        }

        Pass(new NetFrame(header, frame.Head, frame.Rest, lengthBytes) { Tunnel = _tunnel });
        return true;
    }

    /// <summary>Hands the port a packet that was checked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Pass(in NetFrame packet)
    {
        NetReceiveState state = _device.State;
        if (!state.IsLinkUp)
        {
            _statistics.AddFiltered();
            return;
        }

        if (state.SteersByFlow)
        {
            NetFrame frame = packet.WithHead(_head, _rest);
            _device.Flows.Note(frame.Head, NetDevice.PairOf(QueueIndex));
            _sender!.Send(in frame);
        }
        else
        {
            _sender!.Send(in packet);
        }

        _statistics.AddPacket(packet.LengthBytes);
        if (!packet.Header.IsPlain)
        {
            _statistics.AddOffload(packet.Header, packet.LengthBytes);
        }
    }
}
