using System.Buffers.Binary;
using System.Net;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>Hashes over packets in tunnels.</summary>
public sealed class NetTunnelTests
{
    private const uint InnerHash = 0x51ccc178;
    private const int TcpReport = 2;

    private static readonly byte[] Key = Convert.FromHexString(
        "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
    );

    public static TheoryData<uint, byte[]> Tunnels =>
        new()
        {
            { 1 << 0, Outer(false, 47, [0, 0, 0x08, 0, .. InnerIp]) },
            { 1 << 0, Outer(false, 47, [0x80, 0, 0x08, 0, 1, 2, 3, 4, .. InnerIp]) },
            { 1 << 1, Outer(false, 47, [0x20, 0, 0x08, 0, 0, 0, 0, 9, .. InnerIp]) },
            { 1 << 1, Outer(true, 47, [0xb0, 0, 0x08, 0, .. new byte[12], .. InnerIp]) },
            { 1 << 2, Outer(true, 47, [0, 0, 0x08, 0, .. InnerIp]) },
            { 1 << 3, Outer(false, 17, [.. UdpTo(4754), 0, 0, 0x65, 0x58, .. InnerFrame]) },
            { 1 << 4, Outer(false, 17, [.. UdpTo(4789), 8, 0, 0, 0, 0, 0, 7, 0, .. InnerFrame]) },
            { 1 << 4, Outer(true, 17, [.. UdpTo(4789), 8, 0, 0, 0, 0, 0, 7, 0, .. InnerFrame]) },
            { 1 << 5, Outer(false, 17, [.. UdpTo(4790), 0x0c, 0, 0, 1, 0, 0, 7, 0, .. InnerIp]) },
            { 1 << 5, Outer(false, 17, [.. UdpTo(4790), 0x0c, 0, 0, 3, 0, 0, 7, 0, .. InnerFrame]) },
            { 1 << 6, Outer(false, 17, [.. UdpTo(6081), 2, 0, 0x65, 0x58, 0, 0, 7, 0, .. new byte[8], .. InnerFrame]) },
            { 1 << 6, Outer(false, 17, [.. UdpTo(6081), 0, 0, 0x08, 0, 0, 0, 7, 0, .. InnerIp]) },
            { 1 << 7, Outer(false, 4, InnerIp) },
            { 1 << 8, Outer(false, 47, [0x20, 0, 0x65, 0x58, 0, 0, 0, 9, .. InnerFrame]) },
        };

    private static byte[] InnerFrame => Packets.Ip(true, "66.9.149.187", "161.142.100.80", 2794, 1766, 10);

    private static byte[] InnerIp => InnerFrame[14..];

    [Theory]
    [MemberData(nameof(Tunnels))]
    public void Hash_TunnelEnabled_IsOverTheInnerPacket(uint type, byte[] frame)
    {
        using NetBench bench = Open(type);

        Assert.Equal((InnerHash, TcpReport), HashOf(bench, frame));
    }

    [Theory]
    [Clause("net.dev.069")]
    [MemberData(nameof(Tunnels))]
    public void Hash_OtherTunnelsEnabled_IsOverTheOuterPacket(uint type, byte[] frame)
    {
        // A tunnel with a key that carries Ethernet has two names.
        uint others = 0x1ff & ~type & ~(frame.AsSpan(34, 4).SequenceEqual<byte>([0x20, 0, 0x65, 0x58]) ? 2u : 0);
        using NetBench bench = Open(others);

        Assert.NotEqual((InnerHash, TcpReport), HashOf(bench, frame));
    }

    [Fact]
    [Clause("net.dev.071")]
    public void Hash_AfterTunnelsWereTurnedOff_IsOverTheOuterPacket()
    {
        byte[] frame = Outer(false, 4, InnerIp);
        using NetBench bench = Open(1 << 7);

        Assert.Equal([NetBench.Ok], bench.Command(7, 0, BitConverter.GetBytes(0u)));

        (uint hash, int report) = HashOf(bench, frame);
        Assert.NotEqual(InnerHash, hash);
        Assert.Equal(1, report);
    }

    [Fact]
    [Clause("net.dev.070")]
    public void Set_UnknownTunnel_IsRefused()
    {
        using NetBench bench = Open(0);

        Assert.Equal([NetBench.Error], bench.Command(7, 0, BitConverter.GetBytes(1u << 9)));
        Assert.Equal([NetBench.Error], bench.Command(7, 0, [1, 0]));
        byte[] supported = new byte[4];
        bench.Device.ReadConfig(24, supported);
        Assert.Equal(0x1ffu, BitConverter.ToUInt32(supported));
    }

    [Theory]
    [MemberData(nameof(Tunnels))]
    public void LayoutOf_FrameCutAnywhere_StaysWithinIt(uint type, byte[] frame)
    {
        for (int length = 0; length <= frame.Length; length++)
        {
            NetLayout layout = NetTunnel.LayoutOf(frame.AsSpan(0, length), (NetHashTunnels)type);

            Assert.InRange(layout.NetworkOffset, -1, length);
            Assert.InRange(layout.TransportOffset, -1, length);
        }
    }

    private static NetBench Open(uint tunnels)
    {
        NetBench bench = new(choose: static offered =>
            NetBench.Unfiltered(offered).With(NetFeatures.HashReport).With(NetFeatures.HashTunnel)
        );
        byte[] config = [.. BitConverter.GetBytes(0x3fu), .. new byte[8], (byte)Key.Length, .. Key];
        Assert.Equal([NetBench.Ok], bench.Command(4, 2, config));
        Assert.Equal([NetBench.Ok], bench.Command(7, 0, BitConverter.GetBytes(tunnels)));
        return bench;
    }

    private static (uint Hash, int Report) HashOf(NetBench bench, byte[] frame)
    {
        bench.Post(0, 2000);
        bench.Port.Bring(frame);
        byte[] buffer = Assert.Single(bench.TakeBuffers());
        return (
            BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(12)),
            BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(16))
        );
    }

    private static byte[] UdpTo(int port) => [0x30, 0x39, (byte)(port >> 8), (byte)(port & 0xff), 0, 0, 0, 0];

    private static byte[] Outer(bool isIp6, byte protocol, byte[] payload)
    {
        byte[] frame = new byte[14 + (isIp6 ? 40 : 20) + payload.Length];
        NetBench.Mac.Write(frame);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(isIp6 ? 0x86dd : 0x0800));
        Span<byte> ip = frame.AsSpan(14);
        ip[0] = isIp6 ? (byte)0x60 : (byte)0x45;
        ip[isIp6 ? 6 : 9] = protocol;
        byte[] from = IPAddress.Parse(isIp6 ? "fd00::1" : "10.0.0.1").GetAddressBytes();
        from.CopyTo(ip[(isIp6 ? 8 : 12)..]);
        payload.CopyTo(ip[(isIp6 ? 40 : 20)..]);
        return frame;
    }
}
