using System.Buffers.Binary;
using System.Net.Sockets;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our front-end against vhost-device-vsock (rust-vmm): a connection is opened, and bytes go both ways.</summary>
public sealed class VsockDeviceTests : PeerTest
{
    private const int QueueCount = 3;
    private const int ReceiveQueue = 0;
    private const int SendQueue = 1;

    private const ulong HostCid = 2;
    private const ulong GuestCid = 77;
    private const uint GuestPort = 1024;
    private const uint HostPort = 5000;

    // struct virtio_vsock_hdr and its operations (VIRTIO 1.4 §5.10.6).
    private const int HeaderBytes = 44;
    private const ushort TypeStream = 1;
    private const ushort OpRequest = 1;
    private const ushort OpResponse = 2;
    private const ushort OpReadWrite = 5;
    private const int OpOffset = 30;

    private const int DataBytes = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void AConnectionIsOpenedAndBytesGoBothWays()
    {
        string socket = InScratch("vsock.sock");
        string host = InScratch("host.sock");
        StartPeer(
            socket,
            GuestArtifacts.Program("vsock", "vhost-device-vsock"),
            "--guest-cid",
            $"{GuestCid}",
            "--socket",
            socket,
            "--uds-path",
            host
        );
        // Who listens on the host does so on a socket with the port in its name.
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"{host}_{HostPort}"));
        listener.Listen();
        VhostUserProxy proxy = ConnectProxy(socket, DeviceType.Vsock, new() { QueueCount = QueueCount });
        using var session = DriverSession.Open(proxy, FeatureSet.Empty);
        session.StartQueues(QueueCount, descriptorsPerRequest: 2);
        Span<byte> cid = stackalloc byte[sizeof(ulong)];
        session.ReadConfig(0, cid);
        Assert.Equal(GuestCid, BinaryPrimitives.ReadUInt64LittleEndian(cid));
        DriverBuffer incoming = session.Memory.Allocate(HeaderBytes + DataBytes);

        Send(session, OpRequest, []);
        Assert.Equal(OpResponse, Receive(session, in incoming));

        using Socket peer = listener.Accept();
        peer.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        Send(session, OpReadWrite, "hello, host"u8);
        byte[] heard = new byte[11];
        Assert.Equal(heard.Length, peer.Receive(heard));
        Assert.Equal("hello, host"u8, heard);

        peer.Send("hello, guest"u8);
        Assert.Equal(OpReadWrite, Receive(session, in incoming));
        Assert.Equal("hello, guest"u8, incoming.Bytes.Slice(HeaderBytes, 12));
    }

    private static void Send(DriverSession session, ushort operation, ReadOnlySpan<byte> data)
    {
        DriverBuffer packet = session.Memory.Allocate(HeaderBytes + DataBytes);
        Span<byte> header = packet.Bytes[..HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, GuestCid);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], HostCid);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], GuestPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], HostPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], (uint)data.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], TypeStream);
        BinaryPrimitives.WriteUInt16LittleEndian(header[OpOffset..], operation);
        const int BufferSpaceOffset = 36;
        BinaryPrimitives.WriteUInt32LittleEndian(header[BufferSpaceOffset..], 1 << 20);
        data.CopyTo(packet.Bytes[HeaderBytes..]);

        QueueClient queue = session.Queues[SendQueue];
        GuestRange[] pieces = data.IsEmpty
            ? [packet.Slice(0, HeaderBytes).Range]
            : [packet.Slice(0, HeaderBytes).Range, packet.Slice(HeaderBytes, data.Length).Range];
        Assert.True(queue.TryAdd(pieces, [], tag: 1));
        queue.Submit();
        Assert.True(queue.TryTake(Patience, out _), $"operation {operation} was not taken");
    }

    /// <summary>Gives the device a buffer, and waits for a packet in it that is more than housekeeping.</summary>
    /// <returns>The packet's operation.</returns>
    private static ushort Receive(DriverSession session, in DriverBuffer buffer)
    {
        const ushort OpCreditUpdate = 6;
        QueueClient queue = session.Queues[ReceiveQueue];
        while (true)
        {
            buffer.Bytes.Clear();
            Assert.True(
                queue.TryAdd(
                    [],
                    [buffer.Slice(0, HeaderBytes).Range, buffer.Slice(HeaderBytes, DataBytes).Range],
                    tag: 2
                )
            );
            queue.Submit();
            Assert.True(queue.TryTake(Patience, out DriverCompletion packet), "no packet came");
            Assert.True(packet.WrittenBytes >= HeaderBytes);
            Assert.Equal(GuestCid, BinaryPrimitives.ReadUInt64LittleEndian(buffer.Bytes[8..]));
            ushort operation = BinaryPrimitives.ReadUInt16LittleEndian(buffer.Bytes[OpOffset..]);
            if (operation != OpCreditUpdate)
            {
                return operation;
            }
        }
    }
}
