using System.Numerics;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The control queue: commands that change what the device does (VIRTIO 1.4 §5.1.6.5).</summary>
/// <remarks>
/// A command that is unknown, not negotiated, too short, or says something impossible is answered with an error and changes nothing.
/// Commands are rare: they may allocate.
/// </remarks>
internal sealed class NetControlQueueHandler : QueueHandler
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
    ];

    private readonly NetDevice _device;

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

        Span<byte> result = stackalloc byte[Wire.SizeOf<NetCoalescing.Parameters>()];
        int resultBytes = 0;
        bool isDone =
            reader.TryRead(out NetControlHeader header)
            && TryExecute(header, reader, result, ref resultBytes, writer.Remaining - 1);
        writer.TryWrite(isDone ? Ok : Error);
        if (isDone)
        {
            writer.TryCopyFrom(result[..resultBytes]);
        }

        Complete(chain.Head, writer.Written);
    }

    private bool TryExecute(
        NetControlHeader header,
        ChainReader data,
        Span<byte> result,
        ref int resultBytes,
        uint resultRoom
    ) =>
        (NetControlClass)header.Class switch
        {
            NetControlClass.Receive => TrySetMode(header.Command, data),
            NetControlClass.Mac => TrySetAddresses(header.Command, data),
            NetControlClass.Vlan => TrySetVlan(header.Command, data),
            NetControlClass.Announce => TryEndAnnouncement(header.Command),
            NetControlClass.MultiQueue => TryConfigureQueues(header.Command, data),
            NetControlClass.GuestOffloads => TrySetOffloads(header.Command, data),
            NetControlClass.Coalescing => TryCoalesce(header.Command, data, result, ref resultBytes, resultRoom),
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
        if (!data.TryRead(out Le16 count) || count == 0 || count > _device.PairCount)
        {
            return false;
        }

        // Steering by flow begins anew: a command of this kind ends scaling, the hashes for reports stay (§5.1.6.5.6).
        _device.SetHasher(_device.HasFeature(NetFeatures.HashReport) ? _device.State.Hasher : null, scaling: null);
        _device.SetPairsUsed(count);
        return true;
    }

    private bool TryConfigureScaling(ChainReader data)
    {
        if (!data.TryRead(out Le32 types) || !data.TryRead(out Le16 mask) || !data.TryRead(out Le16 unclassified))
        {
            return false;
        }

        int length = mask + 1;
        bool isKnown = (types & ~(uint)NetHashTypes.Supported) == 0;
        if (
            !isKnown
            || length > NetScaling.TableLengthMax
            || !BitOperations.IsPow2(length)
            || !IsReceiver(unclassified)
        )
        {
            return false;
        }

        ushort[] table = new ushort[length];
        for (int index = 0; index < length; index++)
        {
            if (!data.TryRead(out Le16 entry) || !IsReceiver(entry))
            {
                return false;
            }

            table[index] = entry;
        }

        if (!data.TryRead(out Le16 transmitters) || transmitters == 0 || transmitters > _device.PairCount)
        {
            return false;
        }

        if (!TryReadKey(data, out byte[] key))
        {
            return false;
        }

        _device.SetHasher(new((NetHashTypes)types.Value, key), new(table, unclassified));
        _device.SetPairsUsed(_device.PairCount);
        return true;
    }

    private bool TryConfigureHash(ChainReader data)
    {
        const uint ReservedBytes = 8;
        bool isKnown = data.TryRead(out Le32 types) && (types & ~(uint)NetHashTypes.Supported) == 0;
        if (!isKnown || !data.TrySkip(ReservedBytes) || !TryReadKey(data, out byte[] key))
        {
            return false;
        }

        _device.SetHasher(types == 0 ? null : new((NetHashTypes)types.Value, key), _device.State.Scaling);
        return true;
    }

    private static bool TryReadKey(ChainReader data, out byte[] key)
    {
        key = [];
        if (!data.TryRead(out byte length) || length > ToeplitzHash.KeyBytesMax)
        {
            return false;
        }

        key = new byte[length];
        return data.TryCopyTo(key);
    }

    /// <summary>A receive queue by the number in a table: bits 1 to 16 of its index, which is the number of its pair.</summary>
    private bool IsReceiver(ushort number) => number < _device.PairCount;

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
            ulong bit = 1ul << feature;
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

    private bool TryCoalesce(byte command, ChainReader data, Span<byte> result, ref int resultBytes, uint resultRoom)
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

        resultBytes = result.Length;
        return resultRoom >= (uint)resultBytes && Wire.TryWrite(result, _device.Coalescing.Get(queue));
    }
}
