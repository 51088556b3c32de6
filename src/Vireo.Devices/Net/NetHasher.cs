namespace Vireo.Devices.Net;

/// <summary>Calculates the hashes of packets as the driver configured it (VIRTIO 1.4 §5.1.6.4.3). Immutable; any thread.</summary>
internal sealed class NetHasher
{
    private readonly NetHashTypes _types;
    private readonly ToeplitzHash _toeplitz;

    /// <summary>Makes a hasher.</summary>
    /// <param name="types">Over what a hash may be calculated.</param>
    /// <param name="key">The key.</param>
    public NetHasher(NetHashTypes types, ReadOnlySpan<byte> key)
    {
        _types = types;
        _toeplitz = new(key);
    }

    /// <summary>Calculates the hash of a packet.</summary>
    /// <param name="head">The first bytes of its frame, a private copy.</param>
    /// <param name="layout">Where its headers are.</param>
    public NetHash Compute(ReadOnlySpan<byte> head, NetLayout layout) =>
        layout.IpVersion switch
        {
            4 => Choose(
                head,
                layout,
                head.Slice(layout.NetworkOffset + 12, 8),
                new(NetHashTypes.Tcp4, NetHashReport.Tcp4),
                new(NetHashTypes.Udp4, NetHashReport.Udp4),
                new(NetHashTypes.Ip4, NetHashReport.Ip4)
            ),
            6 => Choose(
                head,
                layout,
                head.Slice(layout.NetworkOffset + 8, 32),
                new(NetHashTypes.Tcp6, NetHashReport.Tcp6),
                new(NetHashTypes.Udp6, NetHashReport.Udp6),
                new(NetHashTypes.Ip6, NetHashReport.Ip6)
            ),
            _ => default,
        };

    private NetHash Choose(
        ReadOnlySpan<byte> head,
        NetLayout layout,
        ReadOnlySpan<byte> addresses,
        Kind tcp,
        Kind udp,
        Kind ip
    )
    {
        const int PortBytes = 4;
        if (layout.IsTcp && _types.HasFlag(tcp.Type))
        {
            return new(_toeplitz.Compute(addresses, head.Slice(layout.TransportOffset, PortBytes)), tcp.Report);
        }

        if (layout.IsUdp && _types.HasFlag(udp.Type))
        {
            return new(_toeplitz.Compute(addresses, head.Slice(layout.TransportOffset, PortBytes)), udp.Report);
        }

        return _types.HasFlag(ip.Type) ? new(_toeplitz.Compute(addresses, []), ip.Report) : default;
    }

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
    private readonly record struct Kind(NetHashTypes Type, NetHashReport Report);
}
