using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Drivers;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Net;
using Vireo.Linux.Vhost;

namespace Vireo.GuestDriver;

/// <summary>A card - the kernel's vhost-net with a tap, or one behind a socket - and a driver of ours: echoes that the kernel's own network answers.</summary>
/// <remarks>The kernel has the address 10.9.0.1; the driver's card is 10.9.0.2.</remarks>
internal sealed class CardCheck : IDisposable
{
    private const int Echoes = 200;
    private const int BufferBytes = 2048;
    private const int BufferCount = 64;
    private const int EthernetBytes = 14;
    private const int InternetBytes = 20;
    private const int EchoBytes = 8;
    private const ushort AddressResolution = 0x0806;
    private const ushort InternetProtocol = 0x0800;
    private const byte EchoRequest = 8;
    private static readonly byte[] Own = [0x52, 0x54, 0, 0, 0, 2];
    private static readonly byte[] OwnAddress = [10, 9, 0, 2];
    private static readonly byte[] TapAddress = [10, 9, 0, 1];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TapDevice? _tap;
    private readonly TranslatedDevice? _translated;
    private readonly DriverSession _session;
    private readonly DriverBuffer[] _buffers = new DriverBuffer[BufferCount];
    private readonly DriverBuffer _out;

    /// <summary>Where the kernel's card is: asked for with the first packet.</summary>
    private byte[] _peer = [255, 255, 255, 255, 255, 255];

    private CardCheck(VirtioDevice card, TapDevice? tap = null)
    {
        _tap = tap;
        _translated = card as TranslatedDevice;
        _session = DriverSession.Open(card, FeatureSet.Empty);
        _session.StartQueues(2, descriptorsPerRequest: 1);
        _out = _session.Memory.Allocate(BufferBytes);
        for (int index = 0; index < BufferCount; index++)
        {
            _buffers[index] = _session.Memory.Allocate(BufferBytes);
            Give(index);
        }
    }

    /// <summary>Makes the check with vhost-net.</summary>
    /// <param name="tap">The tap's name.</param>
    /// <param name="isTranslated">Whether the kernel has to ask where the driver's addresses lie.</param>
    public static string Run(string tap, bool isTranslated)
    {
        var ends = TapDevice.Open(tap, isMultiQueue: false);
        ends.SetHeaderLength(NetHeader.LengthBytes);
        VhostKernelDescription description = new()
        {
            Type = DeviceType.Net,
            Queues = [new("rx", 256), new("tx", 256)],
            Rings = new VhostTapRings(ends.Handle),
        };
        VirtioDevice card = VhostKernelProxy.Open("/dev/vhost-net", description);
        using CardCheck check = new(isTranslated ? new TranslatedDevice(card) : card, ends);
        return check.Run();
    }

    /// <summary>Makes the check with a card behind vhost-user.</summary>
    /// <param name="socket">The card's socket.</param>
    public static string Run(string socket)
    {
        using CardCheck check = new(VhostUserProxy.Connect(socket, DeviceType.Net, new() { QueueCount = 2 }));
        return check.Run();
    }

    public void Dispose()
    {
        _session.Dispose();
        _tap?.Dispose();
    }

    private string Run()
    {
        Resolve();
        int bytes = 0;
        for (int number = 0; number < Echoes; number++)
        {
            bytes += Echo((ushort)number, payloadBytes: number * 7 % 1400);
        }

        string translations = "";
        if (_translated is { } translated)
        {
            // Rings and buffers are many more pages than this.
            translations =
                translated.Pages > 10
                    ? $", {translated.Pages} pages asked for"
                    : throw new InvalidDataException("the kernel did not ask");
        }

        return $"{Echoes} echoes of {bytes} bytes{translations}";
    }

    private void Resolve()
    {
        byte[] question = new byte[EthernetBytes + 28];
        WriteEthernet(question, AddressResolution);
        Span<byte> body = question.AsSpan(EthernetBytes);
        byte[] hardwareAndProtocol = [0, 1, 8, 0, 6, 4, 0, 1];
        hardwareAndProtocol.CopyTo(body);
        Own.CopyTo(body[8..]);
        OwnAddress.CopyTo(body[14..]);
        TapAddress.CopyTo(body[24..]);
        Send(question);
        byte[] answer = Receive(static frame => TypeOf(frame) == AddressResolution && frame[EthernetBytes + 7] == 2);
        _peer = answer[(EthernetBytes + 8)..(EthernetBytes + 14)];
    }

    /// <summary>Sends one echo and compares what comes back.</summary>
    /// <returns>Bytes of its payload.</returns>
    private int Echo(ushort number, int payloadBytes)
    {
        byte[] frame = new byte[EthernetBytes + InternetBytes + EchoBytes + payloadBytes];
        WriteEthernet(frame, InternetProtocol);
        Span<byte> packet = frame.AsSpan(EthernetBytes);
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = 1;
        OwnAddress.CopyTo(packet[12..]);
        TapAddress.CopyTo(packet[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(packet[10..], Checksum(packet[..InternetBytes]));
        Span<byte> echo = packet[InternetBytes..];
        echo[0] = EchoRequest;
        BinaryPrimitives.WriteUInt16BigEndian(echo[4..], 7);
        BinaryPrimitives.WriteUInt16BigEndian(echo[6..], number);
        new Random(number).NextBytes(echo[EchoBytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(echo[2..], Checksum(echo));
        byte[] payload = echo[EchoBytes..].ToArray();
        Send(frame);
        const int IcmpStart = EthernetBytes + InternetBytes;
        byte[] answer = Receive(received =>
            TypeOf(received) == InternetProtocol
            && received.Length >= IcmpStart + EchoBytes
            && received[IcmpStart] == 0
            && BinaryPrimitives.ReadUInt16BigEndian(received.AsSpan(IcmpStart + 6)) == number
        );
        if (!answer.AsSpan(IcmpStart + EchoBytes, payloadBytes).SequenceEqual(payload))
        {
            throw new InvalidDataException($"echo {number} of {payloadBytes} bytes came back changed");
        }

        return payloadBytes;
    }

    private static ushort TypeOf(byte[] frame) => BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12));

    private void WriteEthernet(byte[] frame, ushort type)
    {
        _peer.CopyTo(frame, 0);
        Own.CopyTo(frame, 6);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), type);
    }

    private static ushort Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int index = 0; index < bytes.Length; index++)
        {
            sum += (index & 1) == 0 ? (uint)bytes[index] << 8 : bytes[index];
        }

        sum = (sum & ushort.MaxValue) + (sum >> 16);
        sum = (sum & ushort.MaxValue) + (sum >> 16);
        return (ushort)(~sum & ushort.MaxValue);
    }

    private void Send(ReadOnlySpan<byte> frame)
    {
        _out.Bytes[..NetHeader.LengthBytes].Clear();
        frame.CopyTo(_out.Bytes[NetHeader.LengthBytes..]);
        QueueClient queue = _session.Queues[1];
        queue.TryAdd([_out.Slice(0, NetHeader.LengthBytes + frame.Length).Range], [], tag: 0);
        queue.Submit();
        if (!queue.TryTake(Patience, out _))
        {
            throw new TimeoutException("the card does not take a packet");
        }
    }

    /// <summary>Takes packets until one fits; others, which a kernel sends of itself, are let go.</summary>
    private byte[] Receive(Predicate<byte[]> fits)
    {
        QueueClient queue = _session.Queues[0];
        while (queue.TryTake(Patience, out DriverCompletion completion))
        {
            int index = (int)completion.Tag;
            int length = (int)completion.WrittenBytes;
            byte[] frame = _buffers[index].Bytes[NetHeader.LengthBytes..length].ToArray();
            Give(index);
            if (fits(frame))
            {
                return frame;
            }
        }

        throw new TimeoutException("no answer came through the card");
    }

    private void Give(int index)
    {
        QueueClient queue = _session.Queues[0];
        queue.TryAdd([], [_buffers[index].Range], tag: (ulong)index);
        queue.Submit();
    }
}
