using System.Numerics;
using Vireo.Core.Contract;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The network device: an Ethernet interface with one or several pairs of queues (VIRTIO 1.4 §5.1).</summary>
/// <remarks>
/// <para>
/// Knows the specification; where packets go, its <see cref="INetPort"/> knows. Queue 2N receives and queue 2N+1 transmits for pair N, the
/// last queue takes commands. The data plane is <see cref="NetReceiveQueueHandler"/> and <see cref="NetTransmitQueueHandler"/>.
/// </para>
/// <para>
/// Both queues of a pair run on the loop of the pair. Where a frame may have to change from one pair to another - the port has
/// fewer ways in than the device has pairs, or the driver scales (RSS) - all of them run on one loop.
/// </para>
/// </remarks>
public sealed class NetDevice : EmulatedDevice, IAnnouncingDevice, IMtuDevice
{
    /// <summary>The most pairs of queues: there are homes that number queues with a byte.</summary>
    public const int PairsLimit = 127;

    private const int MtuMin = 68;
    private const int MtuMax = ushort.MaxValue;
    private const byte FullDuplex = 1;
    private const byte UnknownDuplex = 0xff;
    private const uint UnknownSpeed = uint.MaxValue;
    private const int TagBytes = 4;

    private readonly NetOptions _options;
    private readonly NetQueueStatistics[] _statistics;

    /// <summary>Whether a frame may have to go to another pair than the one it came in on.</summary>
    private readonly bool _isSteering;

    /// <summary>Guards changes of <see cref="_state"/>, <see cref="_mac"/> and <see cref="_isAnnouncing"/>, which are rare.</summary>
    private readonly Lock _gate = new();

    /// <summary>What the data plane reads; replaced as a whole.</summary>
    private volatile NetReceiveState _state;

    /// <summary>The address now, if anybody has told.</summary>
    private MacAddress? _mac;

    /// <summary>Whether the driver has been asked to announce itself and has not yet done so.</summary>
    private bool _isAnnouncing;

    /// <summary>What the operator says of the link; the port has its say, too.</summary>
    private bool _isLinkWanted = true;

    /// <summary>The largest packet, if somebody has set it.</summary>
    private int _mtuBytes;

    /// <summary>Makes a device for a port.</summary>
    /// <param name="port">Where it is plugged in; stays the caller's and must outlive the device.</param>
    /// <param name="options">What the operator decides; null for the defaults.</param>
    /// <exception cref="DeviceException">An option is out of range.</exception>
    public NetDevice(INetPort port, NetOptions? options = null)
        : base(MakeQueues(options ??= new()))
    {
        ArgumentNullException.ThrowIfNull(port);
        Port = port;
        _options = options;
        _isSteering =
            options.HasReceiveSideScaling || (options.PairCount > 1 && port.Traits.PairsMax < options.PairCount);
        _mac = options.Mac;
        _mtuBytes = options.MtuBytes;
        _statistics = new NetQueueStatistics[2 * options.PairCount];
        for (int index = 0; index < _statistics.Length; index++)
        {
            _statistics[index] = new();
        }

        Coalescing = new(_statistics.Length);
        Contexts = new();
        _state = MakeState();
        port.LinkChanged = OnLinkChanged;
    }

    /// <inheritdoc/>
    public override DeviceType Type => DeviceType.Net;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures
    {
        get
        {
            NetOffloads send = Port.Traits.SendOffloads & _options.Offloads;
            NetOffloads receive = Port.Traits.ReceiveOffloads & _options.Offloads;
            return (OfferedOffloads(send, receive) | OfferedCommands(receive))
                .With(NetFeatures.Status)
                .With(NetFeatures.NetworkHeaderOffset)
                .WithIf(NetFeatures.SegmentCounts, HasTso(send) && HasTso(receive))
                .WithIf(NetFeatures.MergeReceiveBuffers, _options.MergesReceiveBuffers)
                .WithIf(NetFeatures.Mac, _options.Mac is not null)
                .WithIf(NetFeatures.Mtu, _options.MtuBytes != 0)
                .WithIf(NetFeatures.MultiQueue, _options.PairCount > 1)
                .WithIf(NetFeatures.Standby, _options.IsStandby)
                .WithIf(NetFeatures.SpeedDuplex, _options.SpeedMegabits is not null);
        }
    }

    /// <inheritdoc/>
    public override int ConfigLengthBytes => Wire.SizeOf<NetConfigSpace>();

    /// <summary>How many pairs of queues there are.</summary>
    public int PairCount => _options.PairCount;

    /// <summary>Whether the link is up: the port's is, and the operator wants it. Any thread.</summary>
    public bool IsLinkUp => _state.IsLinkUp;

    /// <summary>The address the device has now: the operator's or the driver's choice; null when it is not known. Any thread.</summary>
    public MacAddress? Mac
    {
        get
        {
            lock (_gate)
            {
                return _mac;
            }
        }
    }

    /// <summary>Where the device is plugged in.</summary>
    internal INetPort Port { get; }

    /// <summary>What the data plane has to know now. Any thread.</summary>
    internal NetReceiveState State => _state;

    /// <summary>Which flow was last sent on which pair; used by one loop.</summary>
    internal NetFlowTable Flows { get; } = new();

    /// <summary>What the driver asked for about notifications. The loop of the control queue.</summary>
    internal NetCoalescing Coalescing { get; }

    /// <summary>Further configurations of scaling. The loop of the control queue.</summary>
    internal NetScalingContexts Contexts { get; }

    /// <summary>Length of the header before each packet, as negotiated.</summary>
    internal int HeaderBytes =>
        HasFeature(NetFeatures.NetworkHeaderOffset) ? NetReceiveQueueHandler.HeaderBytesMax
        : HasFeature(NetFeatures.HostUdpTunnel) || HasFeature(NetFeatures.GuestUdpTunnel) ? NetTunnelOffsets.HeaderBytes
        : HasFeature(NetFeatures.HashReport) ? NetHeader.LengthBytes + NetHashHeader.LengthBytes
        : NetHeader.LengthBytes;

    /// <summary>What the driver may leave to the port, as negotiated.</summary>
    internal NetOffloads SendOffloads
    {
        get
        {
            bool hasUso = HasFeature(NetFeatures.HostUso);
            return !HasFeature(NetFeatures.Checksum)
                ? NetOffloads.None
                : NetOffloads.Checksum
                    | If(NetFeatures.HostTso4, NetOffloads.Tso4)
                    | If(NetFeatures.HostTso6, NetOffloads.Tso6)
                    | If(NetFeatures.HostEcn, NetOffloads.Ecn)
                    | If(NetFeatures.HostUfo, NetOffloads.Ufo)
                    | If(NetFeatures.HostUdpTunnel, NetOffloads.Tunnel)
                    | If(NetFeatures.HostUdpTunnelChecksum, NetOffloads.TunnelChecksum)
                    | (hasUso ? NetOffloads.Uso4 | NetOffloads.Uso6 : NetOffloads.None);
        }
    }

    /// <summary>What the port may leave to the driver, as negotiated.</summary>
    internal NetOffloads ReceiveOffloads =>
        !HasFeature(NetFeatures.GuestChecksum)
            ? NetOffloads.None
            : NetOffloads.Checksum
                | If(NetFeatures.GuestTso4, NetOffloads.Tso4)
                | If(NetFeatures.GuestTso6, NetOffloads.Tso6)
                | If(NetFeatures.GuestEcn, NetOffloads.Ecn)
                | If(NetFeatures.GuestUfo, NetOffloads.Ufo)
                | If(NetFeatures.GuestUdpTunnel, NetOffloads.Tunnel)
                | If(NetFeatures.GuestUdpTunnelChecksum, NetOffloads.TunnelChecksum)
                | If(NetFeatures.GuestUso4, NetOffloads.Uso4)
                | If(NetFeatures.GuestUso6, NetOffloads.Uso6);

    /// <summary>Takes the link up or down, as pulling a cable does; the driver is told. Any thread.</summary>
    /// <param name="isUp">Whether it is to be up.</param>
    public void SetLink(bool isUp)
    {
        lock (_gate)
        {
            _isLinkWanted = isUp;
        }

        OnLinkChanged();
    }

    /// <summary>Asks the driver to announce itself in the network, if it can (VIRTIO 1.4 §5.1.6.5.4). Any thread.</summary>
    /// <returns>False when the driver did not accept that it may be asked.</returns>
    public bool RequestAnnouncement()
    {
        if (!HasFeature(NetFeatures.GuestAnnounce))
        {
            return false;
        }

        lock (_gate)
        {
            _isAnnouncing = true;
        }

        NotifyConfigChanged();
        return true;
    }

    /// <summary>What a queue has done. Any thread.</summary>
    /// <param name="queueIndex">Which receive or transmit queue.</param>
    public NetQueueStatistics StatisticsOf(int queueIndex) => _statistics[queueIndex];

    /// <inheritdoc/>
    /// <remarks>A reverse ARP request for the address itself: every switch on the way learns where it is.</remarks>
    public void Announce(ReadOnlySpan<byte> macAddress) =>
        Port.Inject(NetAnnouncement.Make(MacAddress.Read(macAddress)));

    /// <inheritdoc/>
    public bool TrySetMtu(ushort mtuBytes)
    {
        if (mtuBytes < MtuMin || (_options.MtuBytes != 0 && mtuBytes > _options.MtuBytes))
        {
            return false;
        }

        lock (_gate)
        {
            _mtuBytes = mtuBytes;
            _state = _state with { FrameBytesMax = FrameBytesFor(mtuBytes) };
        }

        return true;
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        bool isSame = features == Features;
        base.Accept(features);
        // The same choice again (a home that turns on dirty logging) leaves what the driver has set by commands.
        if (!isSame)
        {
            Begin();
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        base.Reset();
        lock (_gate)
        {
            _mac = _options.Mac;
            _isAnnouncing = false;
            _mtuBytes = _options.MtuBytes;
        }

        Begin();
    }

    /// <inheritdoc/>
    public override void ReadConfig(int offset, Span<byte> destination) =>
        Wire.ReadAt(
            new NetConfigSpace { Config = MakeConfig(), TunnelTypes = (uint)NetHashTunnels.Supported },
            offset,
            destination
        );

    /// <summary>The pair a queue belongs to.</summary>
    internal static int PairOf(int queueIndex) => queueIndex / 2;

    /// <summary>Whether the driver accepted a feature.</summary>
    internal bool HasFeature(int feature) => Features.Contains(feature);

    /// <summary>The receive queue of a pair, or null while it does not run. On the loop that all queues share.</summary>
    internal NetReceiveQueueHandler? ReceiverOf(int pair) =>
        pair < PairCount ? HandlerOf(2 * pair) as NetReceiveQueueHandler : null;

    /// <summary>Whether a receive or transmit queue runs.</summary>
    internal bool IsQueueRunning(int queueIndex) => queueIndex < 2 * PairCount && HandlerOf(queueIndex) is not null;

    /// <summary>How often a queue that runs was kicked and has called; zeroes for one that does not.</summary>
    internal (long Kicks, long Calls) SignalsOf(int queueIndex) =>
        HandlerOf(queueIndex) is { } handler ? (handler.Kicks, handler.Calls) : default;

    /// <summary>The driver takes the first pairs from now on.</summary>
    internal void SetPairsUsed(int count)
    {
        lock (_gate)
        {
            _state = _state with { PairsUsed = count };
        }

        Port.SetPairsUsed(count);
    }

    /// <summary>The driver sets an address for itself.</summary>
    internal void SetMac(MacAddress mac)
    {
        lock (_gate)
        {
            _mac = mac;
            _state = _state with { Filter = _state.Filter is { } filter ? filter with { Mac = mac } : null };
        }
    }

    /// <summary>The driver chooses what it receives.</summary>
    internal void SetFilter(NetFilter filter)
    {
        lock (_gate)
        {
            _state = _state with { Filter = filter };
        }
    }

    /// <summary>The driver chooses how hashes are calculated and, if scaling is given, what they mean.</summary>
    internal void SetHasher(NetHasher? hasher, NetScaling? scaling)
    {
        lock (_gate)
        {
            _state = _state with { Hasher = hasher, Scaling = scaling };
        }
    }

    /// <summary>The driver chooses for which tunnels hashes are over the inner packet.</summary>
    internal void SetTunnels(NetHashTunnels tunnels)
    {
        lock (_gate)
        {
            _state = _state with { Tunnels = tunnels };
        }
    }

    /// <summary>The driver turns receive offloads on and off.</summary>
    internal void SetReceiveOffloads(NetOffloads offloads)
    {
        lock (_gate)
        {
            _state = _state with { Offloads = offloads };
        }

        Port.SetReceiveOffloads(offloads);
    }

    /// <summary>The driver has announced itself.</summary>
    internal void EndAnnouncement()
    {
        lock (_gate)
        {
            _isAnnouncing = false;
        }
    }

    /// <inheritdoc/>
    protected override int LoopIndexOf(int queueIndex) => LoopOf(queueIndex);

    /// <summary>Which of the home's loops runs a queue.</summary>
    internal int LoopOf(int queueIndex) => _isSteering || queueIndex >= 2 * PairCount ? 0 : PairOf(queueIndex);

    /// <inheritdoc/>
    protected override QueueHandler CreateHandler(int queueIndex)
    {
        if (queueIndex >= 2 * PairCount)
        {
            return new NetControlQueueHandler(this);
        }

        Coalescing.Begin(queueIndex);
        return queueIndex % 2 == 0
            ? new NetReceiveQueueHandler(this, _statistics[queueIndex])
            : new NetTransmitQueueHandler(this, _statistics[queueIndex]);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Port.LinkChanged = null;
        }

        base.Dispose(disposing);
    }

    private static QueueTraits[] MakeQueues(NetOptions options)
    {
        Require(options.PairCount is >= 1 and <= PairsLimit, $"{options.PairCount} pairs of queues: 1 to {PairsLimit}");
        Require(
            BitOperations.IsPow2(options.QueueSizeMax) && options.QueueSizeMax <= SplitRing.SizeMax,
            $"queue size {options.QueueSizeMax}: a power of two up to {SplitRing.SizeMax}"
        );
        Require(
            options.MtuBytes is 0 or (>= MtuMin and <= MtuMax),
            $"packets of {options.MtuBytes} bytes: {MtuMin} to {MtuMax}"
        );
        Require(options.Mac is not { IsUsable: false }, $"address {options.Mac}: neither a group's nor all zeroes");
        Require(!options.IsStandby || options.Mac is not null, "one that stands in for another needs its address");
        Require(options.SpeedMegabits is not < 0, $"a speed of {options.SpeedMegabits} Mbit/s: from 0");
        Require(
            options.HasControlQueue || !options.HasReceiveSideScaling,
            "receive-side scaling is configured over the control queue, and there is none"
        );
        int count = 2 * options.PairCount + (options.HasControlQueue ? 1 : 0);
        var queues = new QueueTraits[count];
        for (int pair = 0; pair < options.PairCount; pair++)
        {
            queues[2 * pair] = new($"receiveq{pair + 1}", options.QueueSizeMax);
            queues[2 * pair + 1] = new($"transmitq{pair + 1}", options.QueueSizeMax);
        }

        if (options.HasControlQueue)
        {
            queues[^1] = new("controlq", (ushort)Math.Min(options.QueueSizeMax, (ushort)64));
        }

        return queues;
    }

    private static void Require(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new DeviceException($"network device: {sentence}");
        }
    }

    private static int FrameBytesFor(int mtuBytes) => mtuBytes == 0 ? 0 : mtuBytes + NetFrame.EthernetBytes + TagBytes;

    private static bool HasTso(NetOffloads offloads) =>
        offloads.HasFlag(NetOffloads.Checksum)
        && (offloads & (NetOffloads.Tso4 | NetOffloads.Tso6)) != NetOffloads.None;

    /// <summary>Each feature with those it needs (VIRTIO 1.4 §5.1.3.1).</summary>
    private static FeatureSet OfferedOffloads(NetOffloads send, NetOffloads receive)
    {
        FeatureSet features = FeatureSet.Empty;
        if (send.HasFlag(NetOffloads.Checksum))
        {
            bool hasTso = HasTso(send);
            bool hasTunnel = send.HasFlag(NetOffloads.Segments | NetOffloads.Tunnel);
            features = features
                .With(NetFeatures.Checksum)
                .WithIf(NetFeatures.HostTso4, send.HasFlag(NetOffloads.Tso4))
                .WithIf(NetFeatures.HostTso6, send.HasFlag(NetOffloads.Tso6))
                .WithIf(NetFeatures.HostEcn, hasTso && send.HasFlag(NetOffloads.Ecn))
                .WithIf(NetFeatures.HostUfo, send.HasFlag(NetOffloads.Ufo))
                .WithIf(NetFeatures.HostUso, send.HasFlag(NetOffloads.Uso4 | NetOffloads.Uso6))
                .WithIf(NetFeatures.HostUdpTunnel, hasTunnel)
                .WithIf(NetFeatures.HostUdpTunnelChecksum, hasTunnel && send.HasFlag(NetOffloads.TunnelChecksum))
                .WithIf(NetFeatures.GuestHeaderLength, hasTso);
        }

        if (receive.HasFlag(NetOffloads.Checksum))
        {
            bool hasTso = HasTso(receive);
            bool hasTunnel = receive.HasFlag(NetOffloads.Segments | NetOffloads.Tunnel);
            features = features
                .With(NetFeatures.GuestChecksum)
                .WithIf(NetFeatures.GuestTso4, receive.HasFlag(NetOffloads.Tso4))
                .WithIf(NetFeatures.GuestTso6, receive.HasFlag(NetOffloads.Tso6))
                .WithIf(NetFeatures.GuestEcn, hasTso && receive.HasFlag(NetOffloads.Ecn))
                .WithIf(NetFeatures.GuestUfo, receive.HasFlag(NetOffloads.Ufo))
                .WithIf(NetFeatures.GuestUso4, receive.HasFlag(NetOffloads.Uso4))
                .WithIf(NetFeatures.GuestUso6, receive.HasFlag(NetOffloads.Uso6))
                .WithIf(NetFeatures.GuestUdpTunnel, hasTunnel)
                .WithIf(NetFeatures.GuestUdpTunnelChecksum, hasTunnel && receive.HasFlag(NetOffloads.TunnelChecksum));
        }

        return features;
    }

    private FeatureSet OfferedCommands(NetOffloads receive) =>
        !_options.HasControlQueue
            ? FeatureSet.Empty
            : FeatureSet
                .Of(NetFeatures.ControlQueue, NetFeatures.ControlReceive, NetFeatures.ControlReceiveExtra)
                .With(NetFeatures.ControlVlan)
                .With(NetFeatures.ControlMacAddress)
                .With(NetFeatures.GuestAnnounce)
                .With(NetFeatures.NotificationCoalescing)
                .With(NetFeatures.QueueNotificationCoalescing)
                .With(NetFeatures.HashReport)
                .With(NetFeatures.HashTunnel)
                .With(NetFeatures.DeviceStatistics)
                .WithIf(NetFeatures.ReceiveSideScaling, _options.HasReceiveSideScaling)
                .WithIf(NetFeatures.ScalingContexts, _options.HasReceiveSideScaling)
                .WithIf(NetFeatures.ControlGuestOffloads, receive.HasFlag(NetOffloads.Checksum));

    private NetOffloads If(int feature, NetOffloads offload) => HasFeature(feature) ? offload : NetOffloads.None;

    /// <summary>Forgets what was set by commands, and tells the port what holds now.</summary>
    private void Begin()
    {
        Flows.Clear();
        Coalescing.Reset();
        Contexts.Clear();
        lock (_gate)
        {
            _state = MakeState();
        }

        Port.SetReceiveOffloads(_state.Offloads);
        Port.SetPairsUsed(_state.PairsUsed);
    }

    private NetReceiveState MakeState() =>
        new()
        {
            Offloads = ReceiveOffloads,
            IsLinkUp = _isLinkWanted && Port.IsLinkUp,
            FrameBytesMax = FrameBytesFor(_mtuBytes),
            Filter = MakeFilter(),
            PairsUsed = _options.HasControlQueue ? 1 : PairCount,
            SteersByFlow = _isSteering && PairCount > 1,
        };

    /// <summary>The filter after negotiation: the own address and everybody's, no VLAN (VIRTIO 1.4 §5.1.6.5.2, §5.1.6.5.3).</summary>
    private NetFilter? MakeFilter()
    {
        bool hasReceive = HasFeature(NetFeatures.ControlReceive);
        bool hasVlan = HasFeature(NetFeatures.ControlVlan);
        return !hasReceive && !hasVlan
            ? null
            : new()
            {
                Mac = _mac,
                IsPromiscuous = !hasReceive,
                Vlans = hasVlan ? new ulong[64] : null,
            };
    }

    private void OnLinkChanged()
    {
        bool hasChanged;
        lock (_gate)
        {
            bool isUp = _isLinkWanted && Port.IsLinkUp;
            hasChanged = isUp != _state.IsLinkUp;
            _state = _state with { IsLinkUp = isUp };
        }

        if (hasChanged)
        {
            NotifyConfigChanged();
        }
    }

    private NetConfig MakeConfig()
    {
        lock (_gate)
        {
            int status = (_state.IsLinkUp ? NetConfig.LinkUp : 0) | (_isAnnouncing ? NetConfig.AnnounceWanted : 0);
            NetConfig config = new()
            {
                Status = (ushort)status,
                PairsMax = (ushort)PairCount,
                Mtu = (ushort)_mtuBytes,
                Speed = _options.SpeedMegabits is { } speed ? (uint)speed : UnknownSpeed,
                Duplex = _options.SpeedMegabits is null ? UnknownDuplex : FullDuplex,
                KeyBytesMax = ToeplitzHash.KeyBytesMax,
                TableLengthMax = NetScaling.TableLengthMax,
                HashTypes = (uint)NetHashTypes.Supported,
            };
            _mac?.Write(config.Mac);
            return config;
        }
    }
}
