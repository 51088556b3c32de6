using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Vireo.Backends.Net.Tap;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.Loopback;
using Vireo.Linux.Events;

namespace Vireo.GuestDriver;

/// <summary>Datagrams in VXLAN between a driver of ours and the kernel's own network, unsegmented on their way through a tap.</summary>
/// <remarks>
/// The tap has the address 10.9.0.1 and the driver's card 10.9.0.2. In the tunnels <c>vx1</c> (with outer checksums) and <c>vx2</c>
/// (without) the kernel is 10.8.N.1 and the driver 10.8.N.2, and the kernel knows all the driver's addresses. The
/// kernel's cards are 52:00:00:00:00:01, the driver's are 52:00:00:00:00:02.
/// </remarks>
internal sealed class TunnelCheck : IDisposable
{
    private const int SegmentBytes = 1000;
    private const int PayloadBytes = 5 * SegmentBytes + 300;
    private const int BufferBytes = 65_536 + 256;
    private const int VxlanBytes = 8;
    private const int UdpBytes = 8;
    private const int EthernetBytes = 14;
    private const int InternetBytes = 20;
    private const int KernelPort = 7000;
    private const int DriverPort = 7001;

    /// <summary>Headers before the payload: twice Ethernet, IP and UDP, and VXLAN's.</summary>
    private const int HeadersBytes = 2 * (EthernetBytes + InternetBytes + UdpBytes) + VxlanBytes;

    private static readonly byte[] KernelCard = [0x52, 0, 0, 0, 0, 1];
    private static readonly byte[] DriverCard = [0x52, 0, 0, 0, 0, 2];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly FeatureSet Tunnels = FeatureSet.Of(
        NetFeatures.HostUdpTunnel,
        NetFeatures.HostUdpTunnelChecksum,
        NetFeatures.GuestUdpTunnel,
        NetFeatures.GuestUdpTunnelChecksum
    );

    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly TapPort _port;
    private readonly LoopbackHome _home;
    private readonly int _headerBytes;
    private readonly List<GuestRange> _buffers = [];

    private TunnelCheck(string tap, bool takesTunnels)
    {
        _port = TapPort.Open(tap, 1, _loops);
        NetDevice device = new(_port, new() { HasControlQueue = false });
        // With the one the header is longer, and to whoever has segments counted tunnels come cut.
        var others = FeatureSet.Of(NetFeatures.NetworkHeaderOffset, NetFeatures.SegmentCounts);
        FeatureSet wanted = device.OfferedFeatures.Without(others);
        wanted = takesTunnels ? wanted : wanted.Without(Tunnels);
        _home = LoopbackHome.Open(device, new() { Loops = _loops, DeviceFeatures = wanted });
        _headerBytes = (_home.Features & Tunnels).IsEmpty ? NetHeader.LengthBytes : NetTunnelOffsets.HeaderBytes;
        for (int index = 0; index < 16; index++)
        {
            _buffers.Add(_home.Allocate(BufferBytes));
            Give(index);
        }
    }

    /// <summary>Makes the check.</summary>
    /// <param name="tap">The tap's name.</param>
    public static string Run(string tap)
    {
        int sent = 0;
        int whole = 0;
        int cut = 0;
        using (TunnelCheck check = new(tap, takesTunnels: true))
        {
            if ((check._home.Features & Tunnels).IsEmpty)
            {
                return "this kernel's taps know no tunnels, and the device offers none";
            }

            for (int tunnel = 1; tunnel <= 2; tunnel++)
            {
                sent += check.Send(tunnel);
                whole += check.Receive(tunnel).Count;
            }
        }

        using (TunnelCheck check = new(tap, takesTunnels: false))
        {
            cut += check.Receive(tunnel: 1).Count + check.Receive(tunnel: 2).Count;
        }

        return $"{sent} datagrams from 2 packets, {whole} packets taken whole, {cut} taken cut";
    }

    public void Dispose()
    {
        _home.Dispose();
        _port.Dispose();
        _loops.Dispose();
    }

    private static byte[] MakePayload(int seed)
    {
        byte[] payload = new byte[PayloadBytes];
        new Random(seed).NextBytes(payload);
        return payload;
    }

    private static IPAddress KernelAddress(int tunnel) => new([10, 8, (byte)tunnel, 1]);

    private static IPAddress DriverAddress(int tunnel) => new([10, 8, (byte)tunnel, 2]);

    /// <summary>Sends one packet of several datagrams through a tunnel; the kernel's socket gets each of them.</summary>
    /// <returns>How many it got.</returns>
    private int Send(int tunnel)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        socket.Bind(new IPEndPoint(KernelAddress(tunnel), KernelPort));
        byte[] payload = MakePayload(tunnel);
        byte[] packet = MakePacket(tunnel, payload);
        _home.Exchange(1, [_home.Allocate(packet)], []);
        byte[] datagram = new byte[BufferBytes];
        int count = 0;
        for (int at = 0; at < PayloadBytes; count++)
        {
            int length = socket.Receive(datagram);
            int expected = Math.Min(SegmentBytes, PayloadBytes - at);
            if (length != expected || !datagram.AsSpan(0, length).SequenceEqual(payload.AsSpan(at, expected)))
            {
                throw new InvalidDataException($"datagram {count} of tunnel {tunnel} has {length} bytes, or others");
            }

            at += length;
        }

        return count;
    }

    /// <summary>The kernel sends one packet of several datagrams through a tunnel; the driver takes it, whole or cut.</summary>
    /// <returns>The packets that came.</returns>
    private List<NetHeader> Receive(int tunnel)
    {
        const int UdpLevel = 17;
        const int SegmentOption = 103; // UDP_SEGMENT
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(KernelAddress(tunnel), KernelPort));
        socket.SetRawSocketOption(UdpLevel, SegmentOption, BitConverter.GetBytes(SegmentBytes));
        byte[] payload = MakePayload(100 + tunnel);
        socket.SendTo(payload, new IPEndPoint(DriverAddress(tunnel), DriverPort));
        List<NetHeader> headers = [];
        List<byte> joined = [];
        while (joined.Count < PayloadBytes)
        {
            (NetHeader header, NetTunnelOffsets offsets, byte[] frame) = Take();
            if (frame.Length < HeadersBytes || BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(86)) != DriverPort)
            {
                // Something that a kernel sends of itself.
                continue;
            }

            Verify(tunnel, header, offsets, frame);
            headers.Add(header);
            joined.AddRange(frame[HeadersBytes..]);
        }

        return payload.AsSpan().SequenceEqual(joined.ToArray()) && headers.Count == (TakesTunnels ? 1 : 6)
            ? headers
            : throw new InvalidDataException($"{headers.Count} packets of {joined.Count} bytes in tunnel {tunnel}");
    }

    private bool TakesTunnels => _headerBytes == NetTunnelOffsets.HeaderBytes;

    private void Verify(int tunnel, NetHeader header, NetTunnelOffsets offsets, byte[] frame)
    {
        bool hasOuterChecksum = tunnel == 1;
        bool isRight = !TakesTunnels
            ? header.Segmentation == NetSegmentation.None && !header.IsTunnel
            : header.Segmentation == NetSegmentation.Udp
                && header.IsTunnel
                && header.SegmentBytes == SegmentBytes
                && (header.Flags & NetHeader.TunnelChecksum) != 0 == hasOuterChecksum
                && offsets.OuterTransport == EthernetBytes + InternetBytes
                && offsets.InnerNetwork == HeadersBytes - UdpBytes - InternetBytes;
        ushort outer = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(EthernetBytes + InternetBytes + 6));
        if (!isRight || outer != 0 != hasOuterChecksum)
        {
            throw new InvalidDataException($"tunnel {tunnel}: {header}, {offsets}, outer checksum 0x{outer:x4}");
        }
    }

    private static byte[] MakePacket(int tunnel, byte[] payload)
    {
        bool hasOuterChecksum = tunnel == 1;
        byte[] packet = new byte[NetTunnelOffsets.HeaderBytes + HeadersBytes + payload.Length];
        NetHeader header = new()
        {
            Flags = (byte)(NetHeader.NeedsChecksum | (hasOuterChecksum ? NetHeader.TunnelChecksum : 0)),
            SegmentationType = (byte)NetSegmentation.Udp | NetHeader.Tunnel4,
            HeaderBytes = HeadersBytes,
            SegmentBytes = SegmentBytes,
            ChecksumStart = HeadersBytes - UdpBytes,
            ChecksumOffset = 6,
        };
        Wire.Write(packet, in header);
        new NetTunnelOffsets(EthernetBytes + InternetBytes, HeadersBytes - UdpBytes - InternetBytes).Write(packet);
        Span<byte> outer = packet.AsSpan(NetTunnelOffsets.HeaderBytes);
        int port = tunnel == 1 ? 4789 : 4790;
        WriteUdp(outer, IPAddress.Parse("10.9.0.2"), IPAddress.Parse("10.9.0.1"), 5000, port, hasOuterChecksum);
        Span<byte> vxlan = outer[(EthernetBytes + InternetBytes + UdpBytes)..];
        vxlan[0] = 8;
        vxlan[6] = (byte)tunnel;
        Span<byte> inner = vxlan[VxlanBytes..];
        payload.CopyTo(inner[(EthernetBytes + InternetBytes + UdpBytes)..]);
        WriteUdp(inner, DriverAddress(tunnel), KernelAddress(tunnel), DriverPort, KernelPort, hasChecksum: true);
        return packet;
    }

    /// <summary>Writes headers up to UDP's, whose checksum is left as drivers leave it.</summary>
    private static void WriteUdp(
        Span<byte> frame,
        IPAddress source,
        IPAddress destination,
        int sourcePort,
        int destinationPort,
        bool hasChecksum
    )
    {
        KernelCard.CopyTo(frame);
        DriverCard.CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x0800);
        Span<byte> ip = frame[EthernetBytes..];
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ip[8] = 64;
        ip[9] = 17;
        source.GetAddressBytes().CopyTo(ip[12..]);
        destination.GetAddressBytes().CopyTo(ip[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)(Fold(ip[..InternetBytes], 0) ^ ushort.MaxValue));
        Span<byte> udp = ip[InternetBytes..];
        BinaryPrimitives.WriteUInt16BigEndian(udp, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], (ushort)destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        if (hasChecksum)
        {
            BinaryPrimitives.WriteUInt16BigEndian(udp[6..], Fold(ip[12..20], 17 + (uint)udp.Length));
        }
    }

    private static ushort Fold(ReadOnlySpan<byte> words, uint sum)
    {
        for (int index = 0; index < words.Length; index += sizeof(ushort))
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(words[index..]);
        }

        while (sum > ushort.MaxValue)
        {
            sum = (sum & ushort.MaxValue) + (sum >> 16);
        }

        return (ushort)sum;
    }

    private (NetHeader Header, NetTunnelOffsets Offsets, byte[] Frame) Take()
    {
        List<byte> packet = [];
        int left = 1;
        while (left > 0)
        {
            DriverCompletion completion;
            while (!_home.Queue(0).TryTake(out completion))
            {
                if (_home.Queue(0).TryArmCalls() && !_home.WaitForCall(0, Patience))
                {
                    throw new TimeoutException("no packet came through the tap");
                }
            }

            int index = (int)completion.Tag;
            packet.AddRange(_home.Bytes(_buffers[index])[..(int)completion.WrittenBytes]);
            bool isFirst = packet.Count == completion.WrittenBytes;
            left += isFirst ? Wire.Read<NetHeader>(packet.ToArray()).BufferCount - 2 : -1;
            Give(index);
        }

        byte[] bytes = [.. packet];
        NetTunnelOffsets offsets = TakesTunnels ? NetTunnelOffsets.Read(bytes) : default;
        return (Wire.Read<NetHeader>(bytes), offsets, bytes[_headerBytes..]);
    }

    private void Give(int index)
    {
        if (!_home.Queue(0).TryAdd([], [_buffers[index]], (ulong)index))
        {
            throw new InvalidOperationException("the receive queue takes no buffer");
        }

        if (_home.Queue(0).Publish())
        {
            _home.Kick(0);
        }
    }
}
