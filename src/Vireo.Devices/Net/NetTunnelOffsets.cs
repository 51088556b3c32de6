using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vireo.Devices.Net;

/// <summary>Where the parts of an unsegmented packet in a UDP tunnel are (VIRTIO 1.4 §5.1.6.2).</summary>
/// <remarks>
/// <para>
/// Inside this process <see cref="NetHeader.Tunnel4"/> and <see cref="NetHeader.Tunnel6"/> name the outer IP, which is what Linux
/// means by them; the specification means the inner one. Usually they are the same.
/// </para>
/// <para>Has been checked against the packet.</para>
/// </remarks>
/// <param name="OuterTransport">Where the tunnel's UDP header begins, in bytes from the start of the frame.</param>
/// <param name="InnerNetwork">Where the IP header of the packet inside begins.</param>
/// <param name="OuterVersion">4 or 6: the IP that carries the tunnel.</param>
/// <param name="InnerVersion">4 or 6: the IP inside.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct NetTunnelOffsets(
    ushort OuterTransport,
    ushort InnerNetwork,
    byte OuterVersion = 0,
    byte InnerVersion = 0
)
{
    /// <summary>Where the two offsets stand in a header, in bytes from its start.</summary>
    public const int HeaderOffset = 20;

    /// <summary>Length of a header that has them at its end, in bytes (<c>struct virtio_net_hdr_v1_hash_tunnel</c>).</summary>
    public const int HeaderBytes = 24;

    /// <summary>Reads the two offsets, unchecked.</summary>
    /// <param name="header">A header of at least <see cref="HeaderBytes"/> bytes.</param>
    public static NetTunnelOffsets Read(ReadOnlySpan<byte> header) =>
        new(
            BinaryPrimitives.ReadUInt16LittleEndian(header[HeaderOffset..]),
            BinaryPrimitives.ReadUInt16LittleEndian(header[(HeaderOffset + sizeof(ushort))..])
        );

    /// <summary>The same when the headers of the frame before the tunnel become longer or shorter.</summary>
    /// <param name="bytes">By how many bytes; no more than there are.</param>
    public NetTunnelOffsets Shift(int bytes) =>
        this with
        {
            OuterTransport = (ushort)(OuterTransport + bytes),
            InnerNetwork = (ushort)(InnerNetwork + bytes),
        };

    /// <summary>Writes the two offsets where they stand in a header.</summary>
    /// <param name="header">A header of at least <see cref="HeaderBytes"/> bytes.</param>
    public void Write(Span<byte> header)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(header[HeaderOffset..], OuterTransport);
        BinaryPrimitives.WriteUInt16LittleEndian(header[(HeaderOffset + sizeof(ushort))..], InnerNetwork);
    }
}
