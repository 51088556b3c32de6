using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vireo.Devices.Net;

/// <summary>Where the headers of a frame are, as far as its first bytes show.</summary>
/// <remarks>Made from a private copy. Every offset in it lies within the bytes it was made from.</remarks>
[StructLayout(LayoutKind.Auto)]
public readonly record struct NetLayout
{
    /// <summary>The protocol number of TCP.</summary>
    public const byte Tcp = 6;

    /// <summary>The protocol number of UDP.</summary>
    public const byte Udp = 17;

    /// <summary>Length of an IPv4 header without options, in bytes.</summary>
    internal const int Ip4HeaderBytes = 20;

    /// <summary>Length of an IPv6 header, in bytes.</summary>
    internal const int Ip6HeaderBytes = 40;

    private const int EtherTypeIp4 = 0x0800;
    private const int EtherTypeIp6 = 0x86dd;
    private const int EtherTypeTag = 0x8100;
    private const int EtherTypeServiceTag = 0x88a8;
    private const int TagBytes = 4;
    private const int TagsMax = 2;
    private const int ExtensionsMax = 8;
    private const int VlanIdMask = 0xfff;

    /// <summary>What an offset is when there is nothing there.</summary>
    private const int Nowhere = -1;

    private static NetLayout Nothing =>
        new()
        {
            VlanId = Nowhere,
            NetworkOffset = Nowhere,
            TransportOffset = Nowhere,
        };

    /// <summary>The VLAN of the outermost tag; -1 for a frame without one.</summary>
    public int VlanId { get; private init; }

    /// <summary>Where the IP header begins, in bytes; -1 when the frame holds none.</summary>
    public int NetworkOffset { get; private init; }

    /// <summary>Where the header behind those of IP begins, in bytes; -1 when it is not known, or the packet is a fragment.</summary>
    public int TransportOffset { get; private init; }

    /// <summary>4 or 6; 0 when the frame holds no IP.</summary>
    public int IpVersion { get; private init; }

    /// <summary>The protocol behind IP; valid with <see cref="TransportOffset"/>.</summary>
    public byte Protocol { get; private init; }

    /// <summary>Whether IPv6 extension headers stand between.</summary>
    public bool HasExtensions { get; private init; }

    /// <summary>Whether the frame holds a TCP header, its ports at least.</summary>
    public bool IsTcp => TransportOffset >= 0 && Protocol == Tcp;

    /// <summary>Whether the frame holds a UDP header, its ports at least.</summary>
    public bool IsUdp => TransportOffset >= 0 && Protocol == Udp;

    /// <summary>Looks at the first bytes of a frame.</summary>
    /// <param name="head">The bytes, a private copy; headers that go past its end are not seen.</param>
    public static NetLayout Of(ReadOnlySpan<byte> head)
    {
        NetLayout layout = Nothing;
        if (head.Length < NetFrame.EthernetBytes)
        {
            return layout;
        }

        return layout.WithEthernet(head, 0);
    }

    /// <summary>The same for a frame inside a frame.</summary>
    /// <param name="head">The first bytes of the outer frame, a private copy.</param>
    /// <param name="at">Where the inner frame begins.</param>
    internal static NetLayout OfInner(ReadOnlySpan<byte> head, int at) =>
        head.Length < at + NetFrame.EthernetBytes ? Nothing : Nothing.WithEthernet(head, at);

    /// <summary>The same for a packet inside a frame.</summary>
    /// <param name="head">The first bytes of the outer frame, a private copy.</param>
    /// <param name="at">Where the inner packet begins.</param>
    /// <param name="etherType">What it is.</param>
    internal static NetLayout OfInner(ReadOnlySpan<byte> head, int at, int etherType) =>
        Nothing.WithPacket(head, at, etherType);

    /// <summary>The same for an IP packet inside a frame, whichever it is.</summary>
    /// <param name="head">The first bytes of the outer frame, a private copy.</param>
    /// <param name="at">Where the inner packet begins, within the bytes.</param>
    internal static NetLayout OfInnerPacket(ReadOnlySpan<byte> head, int at) =>
        OfInner(head, at, head[at] >> 4 == 6 ? EtherTypeIp6 : EtherTypeIp4);

    private NetLayout WithEthernet(ReadOnlySpan<byte> head, int at)
    {
        NetLayout layout = this;
        at += 2 * MacAddress.LengthBytes;
        int type = BinaryPrimitives.ReadUInt16BigEndian(head[at..]);
        at += sizeof(ushort);
        for (int tags = 0; tags < TagsMax && type is EtherTypeTag or EtherTypeServiceTag; tags++)
        {
            if (head.Length < at + TagBytes)
            {
                return layout;
            }

            int id = BinaryPrimitives.ReadUInt16BigEndian(head[at..]) & VlanIdMask;
            layout = layout with { VlanId = layout.VlanId < 0 ? id : layout.VlanId };
            type = BinaryPrimitives.ReadUInt16BigEndian(head[(at + sizeof(ushort))..]);
            at += TagBytes;
        }

        return layout.WithPacket(head, at, type);
    }

    private NetLayout WithPacket(ReadOnlySpan<byte> head, int at, int etherType) =>
        etherType switch
        {
            EtherTypeIp4 => WithIp4(head, at),
            EtherTypeIp6 => WithIp6(head, at),
            _ => this,
        };

    private NetLayout WithIp4(ReadOnlySpan<byte> head, int at)
    {
        const int FragmentMask = 0x3fff;
        if (head.Length < at + Ip4HeaderBytes || head[at] >> 4 != 4)
        {
            return this;
        }

        int headerBytes = (head[at] & 0xf) * 4;
        bool isFragment = (BinaryPrimitives.ReadUInt16BigEndian(head[(at + 6)..]) & FragmentMask) != 0;
        NetLayout layout = this with { IpVersion = 4, NetworkOffset = at, Protocol = head[at + 9] };
        return headerBytes < Ip4HeaderBytes || isFragment ? layout : layout.WithTransport(head, at + headerBytes);
    }

    private NetLayout WithIp6(ReadOnlySpan<byte> head, int at)
    {
        if (head.Length < at + Ip6HeaderBytes || head[at] >> 4 != 6)
        {
            return this;
        }

        byte next = head[at + 6];
        NetLayout layout = this with { IpVersion = 6, NetworkOffset = at, Protocol = next };
        at += Ip6HeaderBytes;
        for (int count = 0; count < ExtensionsMax && IsExtension(next); count++)
        {
            if (head.Length < at + 8)
            {
                return layout;
            }

            next = head[at];
            layout = layout with { HasExtensions = true, Protocol = next };
            at += (head[at + 1] + 1) * 8;
        }

        return layout.WithTransport(head, at);
    }

    /// <summary>Hop-by-hop options, routing, destination options. A fragment header is none: what follows it is not a whole packet.</summary>
    private static bool IsExtension(byte next) => next is 0 or 43 or 60;

    private NetLayout WithTransport(ReadOnlySpan<byte> head, int at)
    {
        const int PortBytes = 4;
        const byte Fragment = 44;
        return head.Length < at + PortBytes || Protocol == Fragment ? this : this with { TransportOffset = at };
    }
}
