using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Homes.VhostUser;

namespace Vireo.GuestDriver;

/// <summary>A SCSI host behind vhost-user: the first unit of its first target is asked what it is, written and read (VIRTIO 1.4 §5.6).</summary>
internal sealed class ScsiCheck : IDisposable
{
    private const int RequestQueue = 2;
    private const int RequestBytes = 51;
    private const int ResponseBytes = 108;
    private const int CommandAt = 19;
    private const int StatusAt = 10;
    private const int ResponseAt = 11;
    private const int SenseAt = 12;
    private const byte CheckCondition = 2;
    private const byte Inquiry = 0x12;
    private const byte TestUnitReady = 0x00;
    private const byte ReadCapacity = 0x25;
    private const byte Read = 0x28;
    private const byte Write = 0x2a;
    private const byte SynchronizeCache = 0x35;
    private const int DataBytes = 64 << 10;
    private const int Pieces = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DriverSession _session;
    private readonly DriverBuffer _request;
    private readonly DriverBuffer _response;
    private readonly DriverBuffer _data;
    private ulong _tag;

    private ScsiCheck(string socket)
    {
        _session = DriverSession.Open(
            VhostUserProxy.Connect(socket, DeviceType.Scsi, new() { QueueCount = RequestQueue + 1 }),
            FeatureSet.Empty
        );
        _session.StartQueues(RequestQueue + 1, descriptorsPerRequest: 3);
        _request = _session.Memory.Allocate(RequestBytes);
        _response = _session.Memory.Allocate(ResponseBytes);
        _data = _session.Memory.Allocate(DataBytes);
    }

    public static string Run(string socket)
    {
        using ScsiCheck check = new(socket);
        // Whoever comes to a unit first is told with an error that it was reset.
        _ = check.Ask([TestUnitReady, 0, 0, 0, 0, 0], 0);
        check.Expect([TestUnitReady, 0, 0, 0, 0, 0], 0);
        string vendor = Encoding.ASCII.GetString(check.Expect([Inquiry, 0, 0, 0, 36, 0], 36)[8..16]);
        ReadOnlySpan<byte> capacity = check.Expect([ReadCapacity, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8);
        ulong blocks = BinaryPrimitives.ReadUInt32BigEndian(capacity) + 1UL;
        int blockBytes = (int)BinaryPrimitives.ReadUInt32BigEndian(capacity[4..]);
        byte[] written = new byte[DataBytes * Pieces];
        new Random(1).NextBytes(written);
        for (int piece = 0; piece < Pieces; piece++)
        {
            written.AsSpan(piece * DataBytes, DataBytes).CopyTo(check._data.Bytes);
            check.Expect(Transfer(Write, piece, blockBytes), -DataBytes);
        }

        check.Expect([SynchronizeCache, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0);
        for (int piece = 0; piece < Pieces; piece++)
        {
            check._data.Bytes.Clear();
            ReadOnlySpan<byte> read = check.Expect(Transfer(Read, piece, blockBytes), DataBytes);
            if (!read.SequenceEqual(written.AsSpan(piece * DataBytes, DataBytes)))
            {
                throw new InvalidDataException($"piece {piece} is read otherwise than it was written");
            }
        }

        (byte status, byte sense) = check.Ask(
            Transfer(Read, (int)blocks * blockBytes / DataBytes, blockBytes),
            DataBytes
        );
        return status == CheckCondition
            ? $"{blocks} blocks of {blockBytes} bytes by '{vendor.Trim()}', wrote {Convert.ToHexStringLower(SHA256.HashData(written))}"
            : throw new InvalidDataException($"a read behind the end has status {status} and sense key {sense}");
    }

    public void Dispose() => _session.Dispose();

    private static byte[] Transfer(byte operation, int piece, int blockBytes)
    {
        byte[] command = new byte[10];
        command[0] = operation;
        BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(2), (uint)(piece * (DataBytes / blockBytes)));
        BinaryPrimitives.WriteUInt16BigEndian(command.AsSpan(7), (ushort)(DataBytes / blockBytes));
        return command;
    }

    /// <summary>Makes a command that has to succeed.</summary>
    /// <returns>What the device wrote.</returns>
    private ReadOnlySpan<byte> Expect(ReadOnlySpan<byte> command, int dataBytes)
    {
        (byte status, byte sense) = Ask(command, dataBytes);
        return status == 0
            ? _data.Bytes[..Math.Max(dataBytes, 0)]
            : throw new InvalidDataException($"command {command[0]:x2} has status {status} and sense key {sense}");
    }

    /// <summary>Makes a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="dataBytes">Bytes that the device writes; below 0 bytes that it reads.</param>
    private (byte Status, byte SenseKey) Ask(ReadOnlySpan<byte> command, int dataBytes)
    {
        _request.Bytes.Clear();
        // The first unit of target 0.
        _request.Bytes[0] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(_request.Bytes[8..], ++_tag);
        command.CopyTo(_request.Bytes[CommandAt..]);
        _response.Bytes.Fill(0xff);
        QueueClient queue = _session.Queues[RequestQueue];
        bool isAdded = dataBytes switch
        {
            0 => queue.TryAdd([_request.Range], [_response.Range], _tag),
            < 0 => queue.TryAdd([_request.Range, _data.Slice(0, -dataBytes).Range], [_response.Range], _tag),
            _ => queue.TryAdd([_request.Range], [_response.Range, _data.Slice(0, dataBytes).Range], _tag),
        };
        queue.Submit();
        if (!isAdded || !queue.TryTake(Patience, out DriverCompletion completion) || completion.Tag != _tag)
        {
            throw new TimeoutException($"command {command[0]:x2} is not answered");
        }

        byte response = _response.Bytes[ResponseAt];
        return response == 0
            ? (_response.Bytes[StatusAt], (byte)(_response.Bytes[SenseAt + 2] & 0xf))
            : throw new InvalidDataException($"command {command[0]:x2} is answered with {response}");
    }
}
