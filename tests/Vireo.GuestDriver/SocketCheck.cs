using System.Buffers.Binary;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux.Vhost;

namespace Vireo.GuestDriver;

/// <summary>The kernel's vhost-vsock between a driver of ours and a program that sends back what it is sent (VIRTIO 1.4 §5.10).</summary>
internal sealed class SocketCheck : IDisposable
{
    private const int HeaderBytes = 44;
    private const int BufferBytes = 4096 + HeaderBytes;
    private const int BufferCount = 32;
    private const int StreamBytes = 1 << 20;
    private const int PieceBytes = 4000;
    private const ulong OwnContext = 77;
    private const ulong HostContext = 2;
    private const uint OwnPort = 5555;
    private const ushort Request = 1;
    private const ushort Response = 2;
    private const ushort Data = 5;
    private const ushort CreditUpdate = 6;
    private const ushort CreditRequest = 7;

    /// <summary>What we say we have room for.</summary>
    private const uint RoomBytes = 256 << 10;

    /// <summary>Bytes on the way: less than either side has room for, so that credit is never waited for.</summary>
    private const int WindowBytes = 64 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly uint _port;
    private readonly DriverSession _session;
    private readonly DriverBuffer[] _buffers = new DriverBuffer[BufferCount];
    private readonly DriverBuffer _out;
    private int _received;

    private SocketCheck(uint port)
    {
        _port = port;
        VhostKernelDescription description = new()
        {
            Type = DeviceType.Vsock,
            Queues = [new("rx", 128), new("tx", 128), new("event", 128)],
            Config = new byte[sizeof(ulong)],
            Rings = new VhostSocketRings(OwnContext),
        };
        _session = DriverSession.Open(VhostKernelProxy.Open("/dev/vhost-vsock", description), FeatureSet.Empty);
        _session.StartQueues(2, descriptorsPerRequest: 1);
        _out = _session.Memory.Allocate(BufferBytes);
        for (int index = 0; index < BufferCount; index++)
        {
            _buffers[index] = _session.Memory.Allocate(BufferBytes);
            Give(index);
        }
    }

    public static string Run(uint port)
    {
        using SocketCheck check = new(port);
        check.Send(Request, []);
        check.Expect(Response);
        byte[] stream = new byte[StreamBytes];
        new Random(1).NextBytes(stream);
        byte[] echoed = new byte[StreamBytes];
        int sent = 0;
        while (check._received < StreamBytes)
        {
            if (sent < StreamBytes && sent - check._received < WindowBytes)
            {
                int length = Math.Min(PieceBytes, StreamBytes - sent);
                check.Send(Data, stream.AsSpan(sent, length));
                sent += length;
            }
            else
            {
                check.ReceiveData(echoed);
            }
        }

        return echoed.AsSpan().SequenceEqual(stream)
            ? $"{StreamBytes} bytes there and back through vhost-vsock"
            : throw new InvalidDataException("the stream came back changed");
    }

    public void Dispose() => _session.Dispose();

    private void Expect(ushort operation)
    {
        (ushort found, _) = Receive();
        if (found != operation)
        {
            throw new InvalidDataException($"operation {found} came where {operation} was expected");
        }
    }

    private void ReceiveData(byte[] destination)
    {
        (ushort operation, byte[] payload) = Receive();
        switch (operation)
        {
            case Data:
                payload.CopyTo(destination, _received);
                _received += payload.Length;
                break;
            case CreditRequest:
                Send(CreditUpdate, []);
                break;
            case CreditUpdate:
                break;
            default:
                throw new InvalidDataException($"operation {operation} came in the middle of a stream");
        }
    }

    private void Send(ushort operation, ReadOnlySpan<byte> payload)
    {
        Span<byte> header = _out.Bytes[..HeaderBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(header, OwnContext);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], HostContext);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], OwnPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], _port);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], (uint)payload.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(header[30..], operation);
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(header[36..], RoomBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], (uint)_received);
        payload.CopyTo(_out.Bytes[HeaderBytes..]);
        QueueClient queue = _session.Queues[1];
        queue.TryAdd([_out.Slice(0, HeaderBytes + payload.Length).Range], [], tag: 0);
        queue.Submit();
        if (!queue.TryTake(Patience, out _))
        {
            throw new TimeoutException("vhost-vsock does not take a packet");
        }
    }

    private (ushort Operation, byte[] Payload) Receive()
    {
        QueueClient queue = _session.Queues[0];
        if (!queue.TryTake(Patience, out DriverCompletion completion))
        {
            throw new TimeoutException($"nothing came through vhost-vsock after {_received} bytes");
        }

        int index = (int)completion.Tag;
        ReadOnlySpan<byte> packet = _buffers[index].Bytes[..(int)completion.WrittenBytes];
        ushort operation = BinaryPrimitives.ReadUInt16LittleEndian(packet[30..]);
        int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(packet[24..]);
        byte[] payload = packet.Slice(HeaderBytes, length).ToArray();
        Give(index);
        return (operation, payload);
    }

    private void Give(int index)
    {
        QueueClient queue = _session.Queues[0];
        queue.TryAdd([], [_buffers[index].Range], tag: (ulong)index);
        queue.Submit();
    }
}
