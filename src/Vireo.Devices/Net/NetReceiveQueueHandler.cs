using System.Runtime.CompilerServices;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Devices.Net;

/// <summary>The data plane of one receive queue (VIRTIO 1.4 §5.1.6.3, §5.1.6.4).</summary>
/// <remarks>
/// <para>
/// Frames come from the port, in a turn of the queue (<see cref="INetReceiver"/>) or whenever a neighbour sends one. A buffer is taken
/// from the ring only when there is a frame for it, so a queue that stops has no buffers to give back - but for those that were
/// gathered for a frame larger than all that was available.
/// </para>
/// <para>What the driver cannot take is done here: checksums are completed, packets cut into segments.</para>
/// </remarks>
internal sealed partial class NetReceiveQueueHandler : QueueHandler, INetReceiveQueue
{
    /// <summary>How much of a frame is looked at: Ethernet with tags, IPv6 with some extensions, ports.</summary>
    private const int HeadBytes = 192;

    /// <summary>How much of a frame shows where its network header is: Ethernet with two tags, IPv6.</summary>
    private const int HeadBytesOfNetwork = 64;

    private const int SegmentsAtStart = 32;

    /// <summary>The longest header there is, in bytes: with the offset of the network header.</summary>
    internal const int HeaderBytesMax = 32;

    /// <summary>Where the offset of the network header stands in a header, in bytes from its start.</summary>
    private const int NetworkHeaderOffset = 24;

    private readonly NetDevice _device;
    private readonly NetQueueStatistics _statistics;
    private readonly bool _isMerging;
    private readonly bool _hasLongHeader;
    private readonly bool _reportsHash;
    private readonly bool _countsSegments;
    private readonly int _headerBytes;
    private readonly byte[] _head = new byte[HeadBytes];

    /// <summary>Buffers gathered for one frame.</summary>
    private readonly NetBufferStock _stock = new();

    /// <summary>The part of the frame at hand that was not copied to the head; grows to the longest chain.</summary>
    private Segment[] _rest = new Segment[SegmentsAtStart];

    /// <summary>Made when first needed.</summary>
    private NetSegmenter? _segmenter;

    private INetReceiver? _receiver;

    private NetPace _pace;

    /// <summary>Whether a frame waits for a buffer, so that a kick is wanted.</summary>
    private bool _isStarved;

    /// <summary>Makes the data plane of a queue.</summary>
    /// <param name="device">The device, whose features are negotiated.</param>
    /// <param name="statistics">Where the queue counts.</param>
    public NetReceiveQueueHandler(NetDevice device, NetQueueStatistics statistics)
    {
        _device = device;
        _statistics = statistics;
        _isMerging = device.HasFeature(NetFeatures.MergeReceiveBuffers);
        _headerBytes = device.HeaderBytes;
        _hasLongHeader = _headerBytes > NetHeader.LengthBytes;
        _reportsHash = device.HasFeature(NetFeatures.HashReport);
        _countsSegments = device.HasFeature(NetFeatures.SegmentCounts);
    }

    /// <inheritdoc/>
    protected override bool WantsChains => _isStarved;

    /// <inheritdoc/>
    public int LoopIndex => _device.LoopOf(QueueIndex);

    /// <inheritdoc/>
    public void Wake() => Loop.Activate(this);

    /// <inheritdoc/>
    public NetDelivery Deliver(in NetFrame frame)
    {
        NetReceiveState state = _device.State;
        if (IsStopping || !state.IsLinkUp || frame.LengthBytes is < NetFrame.EthernetBytes or > NetFrame.LengthMax)
        {
            _statistics.AddFiltered();
            return NetDelivery.Dropped;
        }

        return state.NeedsHead ? Examine(in frame, state) : Accept(in frame, default, state);
    }

    /// <inheritdoc/>
    public void NoteLost(int count = 1) => _statistics.AddLost(count);

    /// <inheritdoc/>
    protected override void OnStarting()
    {
        Queue.IsOverwriting = true;
        Queue.StartBytes = _hasLongHeader ? 0 : NetHeader.LengthBytes;
        // Where the port has fewer ways in than there are pairs, all frames come in on pair 0 and are dealt out from there.
        int pair = NetDevice.PairOf(QueueIndex);
        _receiver = pair < _device.Port.Traits.PairsMax ? _device.Port.OpenReceiver(pair, this) : null;
    }

    /// <inheritdoc/>
    protected override void OnStopping() => GiveBackStock();

    /// <inheritdoc/>
    protected override bool TakeChains()
    {
        Queue.SuppressKicks();
        _isStarved = false;
        if (_receiver is null || NetDevice.PairOf(QueueIndex) >= _device.State.PairsUsed)
        {
            return false;
        }

        _pace.Wait();
        int count = _receiver.Receive(ChainsPerTurnMax);
        _pace.Note(count);
        return count > 0;
    }

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain) => Complete(chain.Head, writtenBytes: 0);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _receiver?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Decides by the first bytes whether the driver wants a frame, and which queue gets it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private NetDelivery Examine(in NetFrame original, NetReceiveState state)
    {
        if (_rest.Length < original.Rest.Length)
        {
            Array.Resize(ref _rest, original.Rest.Length);
        }

        NetFrame frame = original.WithHead(_head, _rest);
        if (state.Filter is not null && !state.Filter.Accepts(frame.Head))
        {
            _statistics.AddFiltered();
            return NetDelivery.Dropped;
        }

        NetHash hash = state.Hasher?.Compute(frame.Head, NetTunnel.LayoutOf(frame.Head, state.Tunnels)) ?? default;
        NetReceiveQueueHandler? target = this;
        if (state.Scaling is not null)
        {
            target = _device.ReceiverOf(state.Scaling.Choose(hash));
        }
        else if (state.SteersByFlow)
        {
            int pair = _device.Flows.Find(frame.Head);
            target = (pair < state.PairsUsed ? _device.ReceiverOf(pair) : null) ?? this;
        }

        if (target is null || target.IsStopping)
        {
            _statistics.AddFiltered();
            return NetDelivery.Dropped;
        }

        NetDelivery delivery = target.Accept(in frame, hash, state);
        // This queue asks for the frame again, so it is this one that has to be awake when the other has room.
        if (delivery == NetDelivery.Full && !ReferenceEquals(target, this))
        {
            target.NoteLost();
            return NetDelivery.Dropped;
        }

        return delivery;
    }

    /// <summary>Does what the driver cannot do, and places the frame.</summary>
    private NetDelivery Accept(in NetFrame frame, NetHash hash, NetReceiveState state) =>
        frame.Header.IsPlain ? Place(in frame, hash, state) : AcceptOffloaded(in frame, hash, state);

    /// <summary>Places a frame to which something is yet to be done, or does it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private NetDelivery AcceptOffloaded(in NetFrame frame, NetHash hash, NetReceiveState state)
    {
        if (NetHeaderCheck.IsTaken(frame.Header, state.Offloads, ipVersion: 0))
        {
            return frame.Header.Segmentation == NetSegmentation.None ? Place(in frame, hash, state)
                : _countsSegments ? AcceptCounted(in frame, hash, state)
                : frame.Header.IsTunnel ? AcceptTunnel(in frame, hash, state)
                : Place(in frame, hash, state);
        }

        return frame.Header.IsChecksumPartial || frame.Header.Segmentation != NetSegmentation.None
            ? Resolve(in frame, hash, state)
            : Place(frame.WithHeader(default), hash, state);
    }

    /// <summary>Places an unsegmented frame for a driver that wants to know of how many segments it was made (RSC_EXT).</summary>
    /// <remarks>
    /// The number stands where otherwise the beginning of the checksum does, so the driver has to find the TCP header by itself. Nothing
    /// tells it of UDP, or of a packet in a tunnel: those are cut. Duplicate acknowledgements are packets of their own here: none is
    /// merged into another.
    /// </remarks>
    private NetDelivery AcceptCounted(in NetFrame frame, NetHash hash, NetReceiveState state)
    {
        const int TcpLengthOffset = 12;
        const int TcpChecksumOffset = 16;
        NetHeader header = frame.Header;
        bool isTcp =
            header.Segmentation is NetSegmentation.Tcp4 or NetSegmentation.Tcp6
            && header.ChecksumOffset == TcpChecksumOffset;
        if (!isTcp || header.IsTunnel)
        {
            return Resolve(in frame, hash, state);
        }

        int payload =
            frame.LengthBytes
            - header.ChecksumStart
            - (frame.ByteAt(header.ChecksumStart + TcpLengthOffset) >> 4) * sizeof(uint);
        int size = header.SegmentBytes;
        int count = payload <= 0 ? 1 : (payload + size - 1) / size;
        header = header with
        {
            Flags = NetHeader.NeedsChecksum | NetHeader.CountsSegments,
            ChecksumStart = (ushort)Math.Min(count, ushort.MaxValue),
            ChecksumOffset = 0,
        };
        return Place(frame.WithHeader(header), hash, state);
    }

    /// <summary>Places a frame that is in a UDP tunnel and not segmented.</summary>
    /// <remarks>
    /// The bit that says tunnel means the inner IP to the specification and the outer one to Linux, whose driver throws
    /// away what it takes for an IPv6 header that is too short. No bit tells both of them of IPv6 in IPv4.
    /// </remarks>
    private NetDelivery AcceptTunnel(in NetFrame frame, NetHash hash, NetReceiveState state)
    {
        NetTunnelOffsets tunnel = frame.Tunnel;
        if (tunnel.InnerVersion == 6 && tunnel.OuterVersion == 4)
        {
            return Resolve(in frame, hash, state);
        }

        const int Both = NetHeader.Tunnel4 | NetHeader.Tunnel6;
        int tunnelBit = tunnel.InnerVersion == 6 ? NetHeader.Tunnel6 : NetHeader.Tunnel4;
        NetHeader header = frame.Header with
        {
            SegmentationType = (byte)(frame.Header.SegmentationType & ~Both | tunnelBit),
        };
        return Place(frame.WithHeader(header), hash, state);
    }

    /// <summary>Completes the checksum, or cuts the frame into segments.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private NetDelivery Resolve(in NetFrame frame, NetHash hash, NetReceiveState state)
    {
        _segmenter ??= new();
        if (!_segmenter.TryBegin(in frame))
        {
            _statistics.AddError();
            return NetDelivery.Dropped;
        }

        int placed = 0;
        while (_segmenter.TryNext(out ReadOnlySpan<byte> segment))
        {
            NetDelivery delivery = Place(new(default, segment, [], segment.Length), hash, state);
            if (delivery == NetDelivery.Full)
            {
                // Once a part was delivered the whole cannot be tried again: the rest is lost, as in any network.
                if (placed == 0)
                {
                    return NetDelivery.Full;
                }

                _statistics.AddLost();
                return NetDelivery.Delivered;
            }

            placed++;
        }

        return NetDelivery.Delivered;
    }

    private NetDelivery Place(in NetFrame frame, NetHash hash, NetReceiveState state)
    {
        if (
            state.FrameBytesMax != 0
            && frame.Header.Segmentation == NetSegmentation.None
            && frame.LengthBytes > state.FrameBytesMax
        )
        {
            _statistics.AddError();
            return NetDelivery.Dropped;
        }

        uint needed = (uint)(_headerBytes + frame.LengthBytes);
        if (_stock.Count > 0)
        {
            return PlaceInSeveral(in frame, hash, needed);
        }

        if (Queue.TryPop(out DescriptorChain chain))
        {
            ReadOnlySpan<Segment> pieces = chain.Writable;
            if (!_hasLongHeader && pieces.Length == 1 && (uint)pieces[0].Length >= needed)
            {
                WriteWhole(in pieces[0], in frame);
                Complete(chain.Head, needed);
                Count(in frame);
                return NetDelivery.Delivered;
            }

            return PlaceInPieces(in chain, in frame, hash, needed);
        }

        return Starve();
    }

    /// <summary>Places a frame in a buffer of several pieces, or with a longer header, or in more buffers than one.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private NetDelivery PlaceInPieces(in DescriptorChain chain, in NetFrame frame, NetHash hash, uint needed)
    {
        if (chain.WritableBytes >= needed)
        {
            ChainWriter writer = chain.Writer;
            WriteHeader(ref writer, in frame, hash, bufferCount: 1);
            Copy(ref writer, in frame);
            Complete(chain.Head, needed);
            Count(in frame);
            return NetDelivery.Delivered;
        }

        if (_isMerging && chain.WritableBytes >= (uint)_headerBytes && _stock.TryAdd(in chain))
        {
            return PlaceInSeveral(in frame, hash, needed);
        }

        // A buffer that cannot hold what it must hold is given back, and the frame with it: else it would wait for ever.
        Complete(chain.Head, writtenBytes: 0);
        _statistics.AddError();
        return NetDelivery.Dropped;
    }

    /// <summary>Gathers as many buffers as the frame needs, and spreads it over them.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private NetDelivery PlaceInSeveral(in NetFrame frame, NetHash hash, uint needed)
    {
        while (_stock.Bytes < needed)
        {
            if (_stock.Count == Queue.Size)
            {
                return RefuseStock();
            }

            if (!Queue.TryPop(out DescriptorChain chain))
            {
                return Starve();
            }

            if (chain.WritableBytes == 0)
            {
                Complete(chain.Head, writtenBytes: 0);
                continue;
            }

            if (!_stock.TryAdd(in chain))
            {
                Complete(chain.Head, writtenBytes: 0);
                return RefuseStock();
            }
        }

        int count = _stock.CountFor(needed);
        NetStockWriter writer = new(_stock);
        WriteHeader(ref writer, in frame, hash, (ushort)count);
        Copy(ref writer, in frame);
        uint left = needed;
        for (int index = 0; index < count; index++)
        {
            uint part = Math.Min(left, _stock.BytesOf(index));
            Complete(_stock.HeadOf(index), part);
            left -= part;
        }

        _stock.RemoveFirst(count);
        Count(in frame);
        return NetDelivery.Delivered;
    }

    /// <summary>All the buffers of the ring are not enough, or consist of too many pieces: the driver gets them back empty.</summary>
    private NetDelivery RefuseStock()
    {
        GiveBackStock();
        _statistics.AddError();
        return NetDelivery.Dropped;
    }

    private void GiveBackStock()
    {
        for (int index = 0; index < _stock.Count; index++)
        {
            Complete(_stock.HeadOf(index), writtenBytes: 0);
        }

        _stock.Clear();
    }

    private void Count(in NetFrame frame)
    {
        _statistics.AddPacket(frame.LengthBytes);
        if (!frame.Header.IsPlain)
        {
            _statistics.AddOffload(frame.Header, frame.LengthBytes);
        }
    }

    private NetDelivery Starve()
    {
        _isStarved = true;
        _statistics.AddNoBuffer();
        return NetDelivery.Full;
    }
}
