using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using Vireo.Devices.Net;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>What a card says to a kernel at the other end of its network: ARP (RFC 826) and ICMP echo (RFC 792).</summary>
/// <param name="card">The card.</param>
/// <param name="mac">Its address.</param>
/// <param name="address">Its IPv4 address.</param>
/// <param name="host">The kernel's IPv4 address.</param>
internal sealed class HostTalk(Card card, MacAddress mac, IPAddress address, IPAddress host)
{
    private const int EthernetBytes = 14;
    private const int IpBytes = 20;
    private const int IcmpBytes = 8;
    private const int ArpBytes = 28;
    private const ushort IpType = 0x0800;
    private const ushort ArpType = 0x0806;
    private const byte IcmpProtocol = 1;

    private static readonly TimeSpan Once = TimeSpan.FromMilliseconds(100);

    /// <summary>Asks everybody who has the host's address, until it answers.</summary>
    public MacAddress FindHost()
    {
        byte[] question = new byte[EthernetBytes + ArpBytes];
        WriteEthernet(question, MacAddress.Broadcast, ArpType);
        // Ethernet and IPv4, with addresses of 6 and 4 bytes; 1 asks.
        Convert.FromHexString("0001080006040001").CopyTo(question, EthernetBytes);
        mac.Write(question.AsSpan(EthernetBytes + 8));
        address.GetAddressBytes().CopyTo(question, EthernetBytes + 14);
        host.GetAddressBytes().CopyTo(question, EthernetBytes + 24);
        byte[] answer = Ask(
            question,
            ArpType,
            frame => frame[EthernetBytes + 7] == 2 && SourceOf(frame[(EthernetBytes + 14)..]).Equals(host)
        );
        return MacAddress.Read(answer.AsSpan(EthernetBytes + 8));
    }

    /// <summary>Sends bytes that the host has to send back, until it does.</summary>
    public void Echo(MacAddress hostMac, ReadOnlySpan<byte> payload, ushort sequence)
    {
        byte[] question = new byte[EthernetBytes + IpBytes + IcmpBytes + payload.Length];
        WriteEthernet(question, hostMac, IpType);
        Span<byte> ip = question.AsSpan(EthernetBytes, IpBytes);
        ip[0] = 0x45; // version 4, five words of header
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)(question.Length - EthernetBytes));
        ip[8] = 64; // hops
        ip[9] = IcmpProtocol;
        address.GetAddressBytes().CopyTo(ip[12..]);
        host.GetAddressBytes().CopyTo(ip[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], ChecksumOf(ip));
        Span<byte> icmp = question.AsSpan(EthernetBytes + IpBytes);
        icmp[0] = 8; // echo
        BinaryPrimitives.WriteUInt16BigEndian(icmp[6..], sequence);
        payload.CopyTo(icmp[IcmpBytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], ChecksumOf(icmp));
        byte[] answer = Ask(
            question,
            IpType,
            frame =>
                frame[EthernetBytes + 9] == IcmpProtocol
                && frame[EthernetBytes + IpBytes] == 0
                && BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetBytes + IpBytes + 6)..]) == sequence
        );
        // What is shorter than Ethernet's shortest may be filled up.
        Assert.Equal(payload.ToArray(), answer.AsSpan(EthernetBytes + IpBytes + IcmpBytes, payload.Length).ToArray());
    }

    private delegate bool IsAnswer(ReadOnlySpan<byte> frame);

    private byte[] Ask(byte[] question, ushort type, IsAnswer isAnswer)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < RigTimeouts.Program, $"{host} does not answer");
            card.Send(question);
            while (card.Receive(Once) is { } frame)
            {
                if (
                    frame.Length >= question.Length
                    && BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12)) == type
                    && isAnswer(frame)
                )
                {
                    return frame;
                }
            }
        }
    }

    private void WriteEthernet(Span<byte> frame, MacAddress destination, ushort type)
    {
        destination.Write(frame);
        mac.Write(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], type);
    }

    private static IPAddress SourceOf(ReadOnlySpan<byte> bytes) => new(bytes[..4]);

    /// <summary>The Internet's checksum (RFC 1071); an odd byte at the end counts as the high one.</summary>
    private static ushort ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int at = 0; at < bytes.Length; at++)
        {
            sum += (uint)(at % 2 == 0 ? bytes[at] << 8 : bytes[at]);
        }

        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)(~sum & 0xffff);
    }
}
