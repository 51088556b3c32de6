using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.Backends.Net.Switch;

/// <summary>A learning switch between devices of one process: a frame is copied once, from one driver's ring to another's.</summary>
/// <remarks>
/// <para>
/// All devices that are plugged in, and all uplinks, run on one loop; that loop alone forwards, so there are no locks. Packets stay
/// unsegmented between guests that can do so; what a receiver cannot take is done on its way into its ring.
/// </para>
/// <para>
/// A port of a VLAN takes untagged frames only; a port without one takes frames as they are and gives them so, each tag a network of
/// its own. Between the two kinds tags are put in and taken out.
/// </para>
/// </remarks>
public sealed partial class NetSwitch
{
    /// <summary>The highest number of a VLAN.</summary>
    public const int VlanMax = 4094;

    /// <summary>Two addresses, a tag and what is inside.</summary>
    private const int HeadBytes = 18;

    private const int AddressesBytes = 2 * MacAddress.LengthBytes;
    private const int TagBytes = 4;
    private const ushort EtherTypeTag = 0x8100;
    private const int VlanIdMask = 0xfff;
    private const int SegmentsAtStart = 64;

    private readonly NetSwitchOptions _options;
    private readonly TimeProvider _time;
    private readonly AddressTable _addresses;
    private readonly Lock _gate = new();
    private readonly byte[] _head = new byte[HeadBytes];
    private readonly byte[] _otherHead = new byte[NetFrame.LengthMax + TagBytes];
    private Segment[] _rest = new Segment[SegmentsAtStart];

    /// <summary>The ports; replaced as a whole when one comes or goes.</summary>
    private volatile SwitchPort[] _ports = [];

    private long _nowMs;

    /// <summary>Makes a switch without ports.</summary>
    /// <param name="loop">The loop that all its devices run on; null when they run where they are called, as in tests.</param>
    /// <param name="options">How it behaves; null for the defaults.</param>
    /// <param name="time">The clock; null for the host's.</param>
    public NetSwitch(EventLoop? loop, NetSwitchOptions? options = null, TimeProvider? time = null)
    {
        Loop = loop;
        _options = options ?? new();
        _time = time ?? TimeProvider.System;
        _addresses = new(_options.AddressesMax, _options.Ageing);
        Refresh();
    }

    /// <summary>How many addresses moved from one port to another: many of them are a sign of a loop or a forger.</summary>
    public long AddressMoves => _addresses.Moves;

    /// <summary>The ports there are. Any thread.</summary>
    public IReadOnlyList<SwitchPort> Ports => _ports;

    /// <summary>Makes a port. Any thread.</summary>
    /// <param name="name">What it is called, for people.</param>
    /// <param name="vlan">The VLAN of whoever is plugged in, 1 to <see cref="VlanMax"/>; null to let tags through.</param>
    /// <returns>The port; dispose it to take it away.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The VLAN is out of range.</exception>
    public SwitchPort AddPort(string name, int? vlan = null)
    {
        if (vlan is { } number)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(number, 1, nameof(vlan));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(number, VlanMax, nameof(vlan));
        }

        SwitchPort port = new(this, name, vlan);
        lock (_gate)
        {
            _ports = [.. _ports, port];
        }

        return port;
    }

    /// <summary>The loop that everything runs on; null for none.</summary>
    internal EventLoop? Loop { get; }

    /// <summary>Runs an action where the switch runs, and waits for it.</summary>
    internal void Invoke(Action action)
    {
        if (Loop is { } loop)
        {
            loop.Invoke(action);
        }
        else
        {
            action();
        }
    }

    /// <summary>Takes a port away. On the switch's loop, or while nothing is plugged in.</summary>
    internal void Remove(SwitchPort port)
    {
        lock (_gate)
        {
            _ports = Array.FindAll(_ports, other => !ReferenceEquals(other, port));
        }

        _addresses.Forget(port);
    }

    /// <summary>A turn has ended: the time is looked at anew.</summary>
    internal void Refresh() => _nowMs = _time.GetTimestamp() / (_time.TimestampFrequency / 1000);

    /// <summary>Brings a frame to where it belongs. On the switch's loop.</summary>
    internal void Forward(SwitchPort from, in NetFrame original)
    {
        from.Statistics.AddIn(original.LengthBytes);
        if (_rest.Length < original.Rest.Length)
        {
            Array.Resize(ref _rest, original.Rest.Length);
        }

        NetFrame frame = original.WithHead(_head, _rest);
        bool isTagged = frame.LengthBytes >= HeadBytes && ReadType(frame.Head) == EtherTypeTag;
        if (isTagged && from.Vlan is not null)
        {
            from.Statistics.AddVlanDrop();
            return;
        }

        int vlan = from.Vlan ?? (isTagged ? ReadVlan(frame.Head) : 0);
        var source = MacAddress.Read(frame.Head[MacAddress.LengthBytes..]);
        var destination = MacAddress.Read(frame.Head);
        if (!source.IsGroup)
        {
            _addresses.Learn(vlan, source, from, _nowMs);
        }

        SwitchPort? to = destination.IsGroup ? null : _addresses.Find(vlan, destination, _nowMs);
        if (to is not null)
        {
            Give(from, to, in frame, vlan, isTagged);
        }
        else
        {
            Flood(from, in frame, vlan, isTagged);
        }
    }

    private void Flood(SwitchPort from, in NetFrame frame, int vlan, bool isTagged)
    {
        if (!from.TryTakeFlood(_options.FloodsPerSecond, _nowMs))
        {
            from.Statistics.AddFloodRefused();
            return;
        }

        from.Statistics.AddFlooded();
        foreach (SwitchPort port in _ports)
        {
            Give(from, port, in frame, vlan, isTagged);
        }
    }

    private void Give(SwitchPort from, SwitchPort to, in NetFrame frame, int vlan, bool isTagged)
    {
        bool isMember = to.Vlan is null || to.Vlan == vlan;
        if (ReferenceEquals(from, to) || !isMember)
        {
            return;
        }

        if (to.Vlan is null && from.Vlan is not null)
        {
            to.Deliver(WithTag(in frame, vlan));
        }
        else if (to.Vlan is not null && isTagged)
        {
            to.Deliver(WithoutTag(in frame));
        }
        else
        {
            to.Deliver(in frame);
        }
    }

    private NetFrame WithTag(in NetFrame frame, int vlan)
    {
        Span<byte> head = _otherHead.AsSpan(0, frame.Head.Length + TagBytes);
        frame.Head[..AddressesBytes].CopyTo(head);
        BinaryPrimitives.WriteUInt16BigEndian(head[AddressesBytes..], EtherTypeTag);
        BinaryPrimitives.WriteUInt16BigEndian(head[(AddressesBytes + sizeof(ushort))..], (ushort)vlan);
        frame.Head[AddressesBytes..].CopyTo(head[(AddressesBytes + TagBytes)..]);
        return Shift(in frame, head, TagBytes);
    }

    private NetFrame WithoutTag(in NetFrame frame)
    {
        Span<byte> head = _otherHead.AsSpan(0, frame.Head.Length - TagBytes);
        frame.Head[..AddressesBytes].CopyTo(head);
        frame.Head[(AddressesBytes + TagBytes)..].CopyTo(head[AddressesBytes..]);
        return Shift(in frame, head, -TagBytes);
    }

    private static NetFrame Shift(in NetFrame frame, ReadOnlySpan<byte> head, int bytes) =>
        new(Shift(frame.Header, bytes), head, frame.Rest, frame.LengthBytes + bytes)
        {
            Tunnel = frame.Header.IsTunnel ? frame.Tunnel.Shift(bytes) : default,
        };

    /// <summary>What is to be done to the frame when its headers have moved; nothing where they would have moved out of it.</summary>
    private static NetHeader Shift(NetHeader header, int bytes) =>
        header.IsPlain || header.ChecksumStart + bytes < 0 || header.HeaderBytes + bytes is < 0 or > ushort.MaxValue
            ? default
            : header with
            {
                ChecksumStart = (ushort)Math.Min(header.ChecksumStart + bytes, ushort.MaxValue),
                HeaderBytes = (ushort)(header.HeaderBytes + bytes),
            };

    private static ushort ReadType(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadUInt16BigEndian(head[AddressesBytes..]);

    private static int ReadVlan(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadUInt16BigEndian(head[(AddressesBytes + sizeof(ushort))..]) & VlanIdMask;
}
