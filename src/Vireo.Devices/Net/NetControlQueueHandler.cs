using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The control queue: commands that change what the device does (VIRTIO 1.4 §5.1.6.5).</summary>
/// <remarks>
/// A command that is unknown, not negotiated, too short, or says something impossible is answered with an error and changes nothing.
/// Commands are rare: they may allocate.
/// </remarks>
internal sealed partial class NetControlQueueHandler : QueueHandler
{
    private const byte Ok = 0;
    private const byte Error = 1;

    /// <summary>Past so many addresses the filter is opened: the driver may get more than it wants (§5.1.6.5.2).</summary>
    private const int TableMax = 4096;

    private const int VlanIdMax = 0xfff;

    /// <summary>The offloads that may be turned on and off, by the numbers of their features.</summary>
    private static readonly (int Feature, NetOffloads Offload)[] Switches =
    [
        (NetFeatures.GuestChecksum, NetOffloads.Checksum),
        (NetFeatures.GuestTso4, NetOffloads.Tso4),
        (NetFeatures.GuestTso6, NetOffloads.Tso6),
        (NetFeatures.GuestEcn, NetOffloads.Ecn),
        (NetFeatures.GuestUfo, NetOffloads.Ufo),
        (NetFeatures.GuestUso4, NetOffloads.Uso4),
        (NetFeatures.GuestUso6, NetOffloads.Uso6),
        (NetFeatures.GuestUdpTunnel, NetOffloads.Tunnel),
        (NetFeatures.GuestUdpTunnelChecksum, NetOffloads.TunnelChecksum),
    ];

    private readonly NetDevice _device;

    /// <summary>Commands that came since the queue was started.</summary>
    private long _commands;

    /// <summary>How many of them were done.</summary>
    private long _commandsDone;

    /// <summary>Makes the handler.</summary>
    /// <param name="device">The device, whose features are negotiated.</param>
    public NetControlQueueHandler(NetDevice device) => _device = device;

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        ChainReader reader = chain.Reader;
        ChainWriter writer = chain.Writer;
        if (writer.Remaining == 0)
        {
            // There is no byte to answer in, so nothing may be done either: the driver could not know.
            Complete(chain.Head, writtenBytes: 0);
            return;
        }

        _commands++;
        byte[] result = [];
        bool isDone =
            reader.TryRead(out NetControlHeader header) && TryExecute(header, reader, ref result, writer.Remaining - 1);
        _commandsDone += isDone ? 1 : 0;
        writer.TryWrite(isDone ? Ok : Error);
        if (isDone)
        {
            writer.TryCopyFrom(result);
        }

        Complete(chain.Head, writer.Written);
    }

    private bool TryExecute(NetControlHeader header, ChainReader data, ref byte[] result, uint resultRoom) =>
        (NetControlClass)header.Class switch
        {
            NetControlClass.Receive => TrySetMode(header.Command, data),
            NetControlClass.Mac => TrySetAddresses(header.Command, data),
            NetControlClass.Vlan => TrySetVlan(header.Command, data),
            NetControlClass.Announce => TryEndAnnouncement(header.Command),
            NetControlClass.MultiQueue => TryConfigureQueues(header.Command, data),
            NetControlClass.GuestOffloads => TrySetOffloads(header.Command, data),
            NetControlClass.Coalescing => TryCoalesce(header.Command, data, ref result, resultRoom),
            NetControlClass.HashTunnel => TrySetTunnels(header.Command, data),
            NetControlClass.Statistics => TryReport(header.Command, data, ref result, resultRoom),
            NetControlClass.ScalingContexts => TrySetContext(header.Command, data, ref result, resultRoom),
            _ => false,
        };

    private bool TrySetMode(byte command, ChainReader data)
    {
        int needed = command <= 1 ? NetFeatures.ControlReceive : NetFeatures.ControlReceiveExtra;
        if (
            !_device.HasFeature(needed)
            || _device.State.Filter is not { } filter
            || !data.TryRead(out byte value)
            || value > 1
        )
        {
            return false;
        }

        bool isOn = value == 1;
        NetFilter? changed = command switch
        {
            0 => filter with { IsPromiscuous = isOn },
            1 => filter with { IsAllMulticast = isOn },
            2 => filter with { IsAllUnicast = isOn },
            3 => filter with { IsNoMulticast = isOn },
            4 => filter with { IsNoUnicast = isOn },
            5 => filter with { IsNoBroadcast = isOn },
            _ => null,
        };
        return TrySetFilter(changed);
    }

    private bool TrySetFilter(NetFilter? filter)
    {
        if (filter is null)
        {
            return false;
        }

        _device.SetFilter(filter);
        return true;
    }

    private bool TrySetAddresses(byte command, ChainReader data)
    {
        const byte TableSet = 0;
        const byte AddressSet = 1;
        if (command == TableSet && _device.HasFeature(NetFeatures.ControlReceive))
        {
            return TrySetTable(data);
        }

        Span<byte> bytes = stackalloc byte[MacAddress.LengthBytes];
        if (
            command != AddressSet
            || !_device.HasFeature(NetFeatures.ControlMacAddress)
            || !data.TryCopyTo(bytes)
            || !MacAddress.Read(bytes).IsUsable
        )
        {
            return false;
        }

        _device.SetMac(MacAddress.Read(bytes));
        return true;
    }

    /// <summary>Two tables, one after the other: single addresses and groups.</summary>
    private bool TrySetTable(ChainReader data)
    {
        if (_device.State.Filter is not { } filter)
        {
            return false;
        }

        HashSet<MacAddress> table = [];
        Span<byte> bytes = stackalloc byte[MacAddress.LengthBytes];
        bool isOpen = false;
        for (int part = 0; part < 2; part++)
        {
            if (!data.TryRead(out Le32 count) || count > data.Remaining / MacAddress.LengthBytes)
            {
                return false;
            }

            isOpen |= table.Count + (long)count > TableMax;
            if (isOpen)
            {
                data.TrySkip(count * MacAddress.LengthBytes);
                continue;
            }

            for (uint index = 0; index < count; index++)
            {
                data.TryCopyTo(bytes);
                table.Add(MacAddress.Read(bytes));
            }
        }

        return TrySetFilter(
            filter with
            {
                Table = table,
                IsAllMulticast = filter.IsAllMulticast || isOpen,
                IsAllUnicast = filter.IsAllUnicast || isOpen,
            }
        );
    }

    private bool TrySetVlan(byte command, ChainReader data)
    {
        const byte Remove = 1;
        return _device.HasFeature(NetFeatures.ControlVlan)
            && command <= Remove
            && data.TryRead(out Le16 id)
            && id <= VlanIdMax
            && TrySetFilter(_device.State.Filter?.WithVlan(id, command != Remove));
    }

    private bool TryEndAnnouncement(byte command)
    {
        if (command != 0 || !_device.HasFeature(NetFeatures.GuestAnnounce))
        {
            return false;
        }

        _device.EndAnnouncement();
        return true;
    }

    private bool TryConfigureQueues(byte command, ChainReader data)
    {
        const byte PairsSet = 0;
        const byte ScalingConfig = 1;
        const byte HashConfig = 2;
        return command switch
        {
            PairsSet when _device.HasFeature(NetFeatures.MultiQueue) => TrySetPairs(data),
            ScalingConfig when _device.HasFeature(NetFeatures.ReceiveSideScaling) => TryConfigureScaling(data),
            HashConfig when _device.HasFeature(NetFeatures.HashReport) => TryConfigureHash(data),
            _ => false,
        };
    }

    private bool TrySetPairs(ChainReader data)
    {
        // With further configurations of scaling there is no way back to steering by flow (§5.1.6.5.8).
        if (!data.TryRead(out Le16 count) || count == 0 || count > _device.PairCount || _device.Contexts.Count > 0)
        {
            return false;
        }

        // Steering by flow begins anew: a command of this kind ends scaling, the hashes for reports stay (§5.1.6.5.6).
        _device.SetHasher(_device.HasFeature(NetFeatures.HashReport) ? _device.State.Hasher : null, scaling: null);
        _device.SetPairsUsed(count);
        return true;
    }

    private bool TrySetOffloads(byte command, ChainReader data)
    {
        if (command != 0 || !_device.HasFeature(NetFeatures.ControlGuestOffloads) || !data.TryRead(out Le64 wanted))
        {
            return false;
        }

        NetOffloads offloads = NetOffloads.None;
        ulong left = wanted;
        foreach ((int feature, NetOffloads offload) in Switches)
        {
            ulong bit = 1ul << BitOf(feature);
            if ((left & bit) != 0 && _device.HasFeature(feature))
            {
                offloads |= offload;
                left &= ~bit;
            }
        }

        if (left != 0)
        {
            return false;
        }

        // Without checksums left to the driver nothing else can be.
        _device.SetReceiveOffloads(offloads.HasFlag(NetOffloads.Checksum) ? offloads : NetOffloads.None);
        return true;
    }

    /// <summary>By which bit of the command a feature goes: those past the end of a word have others there (§5.1.6.5.9).</summary>
    private static int BitOf(int feature) =>
        feature switch
        {
            NetFeatures.GuestUdpTunnel => 46,
            NetFeatures.GuestUdpTunnelChecksum => 47,
            _ => feature,
        };

    private bool TryCoalesce(byte command, ChainReader data, ref byte[] result, uint resultRoom)
    {
        const byte TransmitSet = 0;
        const byte QueueSet = 2;
        const byte QueueGet = 3;
        if (command < QueueSet)
        {
            if (
                !_device.HasFeature(NetFeatures.NotificationCoalescing)
                || !data.TryRead(out NetCoalescing.Parameters wanted)
            )
            {
                return false;
            }

            _device.Coalescing.SetDirection(command == TransmitSet ? 1 : 0, wanted);
            return true;
        }

        const uint ReservedBytes = 2;
        if (
            command > QueueGet
            || !_device.HasFeature(NetFeatures.QueueNotificationCoalescing)
            || !data.TryRead(out Le16 queue)
            || !data.TrySkip(ReservedBytes)
            || !_device.IsQueueRunning(queue)
        )
        {
            return false;
        }

        if (command == QueueSet)
        {
            if (!data.TryRead(out NetCoalescing.Parameters wanted))
            {
                return false;
            }

            _device.Coalescing.Set(queue, wanted);
            return true;
        }

        return TryAnswer(_device.Coalescing.Get(queue), ref result, resultRoom);
    }

    private static bool TryAnswer<T>(T value, ref byte[] result, uint resultRoom)
        where T : unmanaged
    {
        if (resultRoom < (uint)Wire.SizeOf<T>())
        {
            return false;
        }

        result = new byte[Wire.SizeOf<T>()];
        Wire.Write(result, in value);
        return true;
    }
}
