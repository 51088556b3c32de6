using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>The frame by which a network learns where an address is (a reverse ARP request, RFC 903).</summary>
internal static class NetAnnouncement
{
    private const int LengthBytes = 60;
    private const ushort EtherTypeReverseArp = 0x8035;
    private const ushort EtherTypeIp4 = 0x0800;

    /// <summary>Makes the frame.</summary>
    /// <param name="mac">The address.</param>
    public static byte[] Make(MacAddress mac)
    {
        const ushort Ethernet = 1;
        const ushort ReverseRequest = 3;
        const byte Ip4Bytes = 4;
        byte[] frame = new byte[LengthBytes];
        MacAddress.Broadcast.Write(frame);
        mac.Write(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), EtherTypeReverseArp);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14), Ethernet);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), EtherTypeIp4);
        frame[18] = MacAddress.LengthBytes;
        frame[19] = Ip4Bytes;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), ReverseRequest);
        mac.Write(frame.AsSpan(22));
        mac.Write(frame.AsSpan(32));
        return frame;
    }
}
