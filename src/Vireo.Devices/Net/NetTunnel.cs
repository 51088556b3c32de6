using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>Finds the packet inside a packet (inner header hash, VIRTIO 1.4 §5.1.6.4.4).</summary>
/// <remarks>One level deep. What is cut off, or of another version than known, is no tunnel: then the outer headers count.</remarks>
internal static class NetTunnel
{
    private const byte GreProtocol = 47;
    private const byte IpIpProtocol = 4;
    private const int EtherTypeIp4 = 0x0800;
    private const int EtherTypeIp6 = 0x86dd;
    private const int EtherTypeEthernet = 0x6558;
    private const int UdpBytes = 8;
    private const int VxlanPort = 4789;
    private const int VxlanGpePort = 4790;
    private const int GenevePort = 6081;
    private const int GreUdpPort = 4754;

    /// <summary>The headers that a hash is over: those of the inner packet if its tunnel was chosen, else the outer ones.</summary>
    /// <param name="head">The first bytes of a frame, a private copy.</param>
    /// <param name="tunnels">The tunnels that are looked into.</param>
    public static NetLayout LayoutOf(ReadOnlySpan<byte> head, NetHashTunnels tunnels)
    {
        var outer = NetLayout.Of(head);
        if (tunnels == NetHashTunnels.None || outer.TransportOffset < 0)
        {
            return outer;
        }

        Inner inner = Find(head, outer);
        if ((inner.Tunnel & tunnels) == NetHashTunnels.None)
        {
            return outer;
        }

        NetLayout layout =
            inner.EtherType == EtherTypeEthernet
                ? NetLayout.OfInner(head, inner.Offset)
                : NetLayout.OfInner(head, inner.Offset, inner.EtherType);
        return layout.IpVersion == 0 ? outer : layout;
    }

    private static Inner Find(ReadOnlySpan<byte> head, NetLayout outer)
    {
        int at = outer.TransportOffset;
        return outer.Protocol switch
        {
            GreProtocol => FindInGre(head, at, outer.IpVersion, NetHashTunnels.None),
            IpIpProtocol when outer.IpVersion == 4 => new(NetHashTunnels.IpIp, at, EtherTypeIp4),
            NetLayout.Udp when head.Length >= at + 2 * UdpBytes => FindInUdp(head, at, outer.IpVersion),
            _ => default,
        };
    }

    private static Inner FindInUdp(ReadOnlySpan<byte> head, int at, int ipVersion)
    {
        const byte VniIsValid = 0x08;
        const byte HasNextProtocol = 0x04;
        ReadOnlySpan<byte> header = head.Slice(at + UdpBytes, UdpBytes);
        at += UdpBytes;
        switch (BinaryPrimitives.ReadUInt16BigEndian(head[(at - UdpBytes + sizeof(ushort))..]))
        {
            case VxlanPort when (header[0] & VniIsValid) != 0:
                return new(NetHashTunnels.Vxlan, at + UdpBytes, EtherTypeEthernet);
            case VxlanGpePort when (header[0] & VniIsValid) != 0:
                int next = (header[0] & HasNextProtocol) == 0 ? 3 : header[3];
                int type = next switch
                {
                    1 => EtherTypeIp4,
                    2 => EtherTypeIp6,
                    3 => EtherTypeEthernet,
                    _ => 0,
                };
                return type == 0 ? default : new(NetHashTunnels.VxlanGpe, at + UdpBytes, type);
            case GenevePort when header[0] >> 6 == 0:
                int options = (header[0] & 0x3f) * 4;
                return new(
                    NetHashTunnels.Geneve,
                    at + UdpBytes + options,
                    BinaryPrimitives.ReadUInt16BigEndian(header[2..])
                );
            case GreUdpPort:
                return FindInGre(head, at, ipVersion, NetHashTunnels.GreUdp);
            default:
                return default;
        }
    }

    /// <summary>GRE is one format with several names, by what is in it.</summary>
    private static Inner FindInGre(ReadOnlySpan<byte> head, int at, int ipVersion, NetHashTunnels known)
    {
        const int ChecksumPresent = 0x8000;
        const int KeyPresent = 0x2000;
        const int SequencePresent = 0x1000;
        const int Others = 0x4fff; // routing of old, reserved bits and the version
        const int WordBytes = 4;
        if (head.Length < at + WordBytes)
        {
            return default;
        }

        int flags = BinaryPrimitives.ReadUInt16BigEndian(head[at..]);
        int type = BinaryPrimitives.ReadUInt16BigEndian(head[(at + sizeof(ushort))..]);
        if ((flags & Others) != 0)
        {
            return default;
        }

        bool isKeyed = (flags & (KeyPresent | SequencePresent)) != 0;
        NetHashTunnels tunnel = known;
        if (tunnel == NetHashTunnels.None)
        {
            tunnel =
                isKeyed ? NetHashTunnels.GreKeyed
                : ipVersion == 4 ? NetHashTunnels.Gre
                : NetHashTunnels.Gre6;
            tunnel |= flags == KeyPresent && type == EtherTypeEthernet ? NetHashTunnels.Nvgre : NetHashTunnels.None;
        }

        int words = 1;
        words += (flags & ChecksumPresent) != 0 ? 1 : 0;
        words += (flags & KeyPresent) != 0 ? 1 : 0;
        words += (flags & SequencePresent) != 0 ? 1 : 0;
        return new(tunnel, at + words * WordBytes, type);
    }

    /// <summary>Which tunnel it is (by either name, where it has two), where the inner packet begins, and what it is.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
    private readonly record struct Inner(NetHashTunnels Tunnel, int Offset, int EtherType);
}
