using Vireo.Core.Memory;

namespace Vireo.Devices.Net;

/// <summary>An Ethernet frame on its way: what is yet to be done to it, and where its bytes are.</summary>
/// <remarks>
/// <para>
/// The first bytes may lie in memory of this process, where nobody changes them (<see cref="Head"/>); what follows lies in segments,
/// shared with a driver (<see cref="Rest"/>). Whoever decides by a header copies the beginning, once, decides by the copy and hands that
/// copy on (<see cref="WithHead"/>), so that what was checked is what is delivered.
/// </para>
/// <para>Valid during the call it is passed to.</para>
/// </remarks>
public readonly ref struct NetFrame
{
    /// <summary>Length of an Ethernet header without a tag, in bytes.</summary>
    public const int EthernetBytes = 14;

    /// <summary>The longest frame there is: the longest IP packet behind an Ethernet header with two tags.</summary>
    public const int LengthMax = 65535 + EthernetBytes + 8;

    /// <summary>Makes a frame.</summary>
    /// <param name="header">What is to be done to it; has been checked against the frame.</param>
    /// <param name="head">Its first bytes, or none.</param>
    /// <param name="rest">The bytes that follow.</param>
    /// <param name="lengthBytes">Length of both, <see cref="EthernetBytes"/> to <see cref="LengthMax"/>.</param>
    public NetFrame(NetHeader header, ReadOnlySpan<byte> head, ReadOnlySpan<Segment> rest, int lengthBytes)
    {
        Header = header;
        Head = head;
        Rest = rest;
        LengthBytes = lengthBytes;
    }

    /// <summary>What is yet to be done to it.</summary>
    public NetHeader Header { get; }

    /// <summary>Where the parts of a packet in a UDP tunnel are; of use only if <see cref="NetHeader.IsTunnel"/>.</summary>
    public NetTunnelOffsets Tunnel { get; init; }

    /// <summary>Its first bytes, in memory that nobody else writes to; may be empty.</summary>
    public ReadOnlySpan<byte> Head { get; }

    /// <summary>The bytes that follow, in memory that a driver may write to at any time.</summary>
    public ReadOnlySpan<Segment> Rest { get; }

    /// <summary>Length in bytes.</summary>
    public int LengthBytes { get; }

    /// <summary>The same frame whose first bytes are a copy.</summary>
    /// <param name="room">Where the copy goes.</param>
    /// <param name="segments">Room for what follows the copy: as many as <see cref="Rest"/> has.</param>
    public NetFrame WithHead(Span<byte> room, Span<Segment> segments)
    {
        if (Head.Length >= Math.Min(room.Length, LengthBytes))
        {
            return this;
        }

        int length = Math.Min(room.Length, LengthBytes);
        Span<byte> head = room[..length];
        Head.CopyTo(head);
        int at = Head.Length;
        int used = 0;
        foreach (Segment segment in Rest)
        {
            int count = Math.Min(segment.Length, length - at);
            segment.Bytes[..count].CopyTo(head[at..]);
            at += count;
            if (count < segment.Length)
            {
                segments[used++] = segment.Slice(count, segment.Length - count);
            }
        }

        return new(Header, head, segments[..used], LengthBytes) { Tunnel = Tunnel };
    }

    /// <summary>The same bytes with something else to be done to them.</summary>
    /// <param name="header">What is to be done.</param>
    public NetFrame WithHeader(NetHeader header) => new(header, Head, Rest, LengthBytes) { Tunnel = Tunnel };

    /// <summary>One of its bytes.</summary>
    /// <param name="offset">Which, from its start; below <see cref="LengthBytes"/>.</param>
    internal byte ByteAt(int offset)
    {
        if (offset < Head.Length)
        {
            return Head[offset];
        }

        offset -= Head.Length;
        int index = 0;
        while (offset >= Rest[index].Length)
        {
            offset -= Rest[index++].Length;
        }

        return Rest[index].Bytes[offset];
    }

    /// <summary>Copies the first bytes.</summary>
    /// <param name="destination">Where to.</param>
    /// <returns>How many bytes were copied: the frame may be shorter.</returns>
    internal int CopyHeadTo(Span<byte> destination)
    {
        int at = Math.Min(Head.Length, destination.Length);
        Head[..at].CopyTo(destination);
        foreach (ref readonly Segment segment in Rest)
        {
            int count = Math.Min(segment.Length, destination.Length - at);
            segment.Bytes[..count].CopyTo(destination[at..]);
            at += count;
        }

        return at;
    }

    /// <summary>Copies the whole frame.</summary>
    /// <param name="destination">At least <see cref="LengthBytes"/> bytes.</param>
    public void CopyTo(Span<byte> destination)
    {
        Head.CopyTo(destination);
        int at = Head.Length;
        foreach (ref readonly Segment segment in Rest)
        {
            segment.Bytes.CopyTo(destination[at..]);
            at += segment.Length;
        }
    }
}
