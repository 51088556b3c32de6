using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>The smallest client there is: sends what the test says, right or wrong, and reads answers.</summary>
internal sealed class Client : IPciAccess, IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public const string Capabilities =
        """{"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": 1048576, "write_multiple": true}}""";

    /// <summary>The states of a migration.</summary>
    public const uint MigrationRunning = 2;
    public const uint MigrationStopCopy = 3;
    public const uint MigrationResuming = 4;

    private const int HeaderBytes = 16;

    /// <summary>A short piece, so that a state comes in many.</summary>
    private const int StatePieceBytes = 100;

    private const uint SetMigrationFeature = 1 << 17 | 2;

    private readonly UnixChannel _channel;
    private ushort _lastId;

    public Client(UnixChannel channel) => _channel = channel;

    /// <summary>The descriptors of the last answer; the test's to close.</summary>
    public List<SafeFileHandle> AnswerDescriptors { get; } = [];

    /// <summary>What answers the home's own commands; without it, none may come.</summary>
    public DistantRam? Distant { get; set; }

    public static Client Connect(string path) => new(UnixChannel.Connect(path));

    /// <summary>Agrees on a version.</summary>
    /// <returns>The capabilities of the server, as it says them.</returns>
    public string Agree(string capabilities = Capabilities, ushort minor = 0)
    {
        byte[] answer = Ask(Command.Version, Version(0, minor, capabilities));
        Assert.Equal(0, answer[^1]);
        return Encoding.UTF8.GetString(answer.AsSpan(4, answer.Length - 5));
    }

    public static byte[] Version(ushort major, ushort minor, string capabilities) =>
        [.. BitConverter.GetBytes(major), .. BitConverter.GetBytes(minor), .. Encoding.UTF8.GetBytes(capabilities), 0];

    /// <summary>Sends a command and expects it to be done.</summary>
    /// <returns>The payload of the answer.</returns>
    public byte[] Ask(Command command, ReadOnlySpan<byte> payload, params ReadOnlySpan<SafeFileHandle> descriptors)
    {
        Send(command, payload, descriptors);
        (Errno error, byte[] answer) = Receive(command);
        Assert.Equal(Errno.None, error);
        return answer;
    }

    public TOut Ask<TIn, TOut>(Command command, TIn payload, params ReadOnlySpan<SafeFileHandle> descriptors)
        where TIn : unmanaged
        where TOut : unmanaged => Wire.Read<TOut>(Ask(command, Wire.Bytes(ref payload), descriptors));

    /// <summary>Sends a command and expects it to be refused.</summary>
    public Errno AskInVain(Command command, ReadOnlySpan<byte> payload, params ReadOnlySpan<SafeFileHandle> descriptors)
    {
        Send(command, payload, descriptors);
        (Errno error, byte[] answer) = Receive(command);
        Assert.NotEqual(Errno.None, error);
        Assert.Empty(answer);
        return error;
    }

    public Errno AskInVain<T>(Command command, T payload, params ReadOnlySpan<SafeFileHandle> descriptors)
        where T : unmanaged => AskInVain(command, Wire.Bytes(ref payload), descriptors);

    public void Send(
        Command command,
        ReadOnlySpan<byte> payload,
        ReadOnlySpan<SafeFileHandle> descriptors = default,
        HeaderFlags flags = HeaderFlags.None
    )
    {
        _lastId++;
        SendRaw(command, (uint)(HeaderBytes + payload.Length), flags, payload, descriptors);
    }

    /// <summary>Sends a header and a payload that need not fit each other.</summary>
    public void SendRaw(
        Command command,
        uint sizeBytes,
        HeaderFlags flags,
        ReadOnlySpan<byte> payload,
        ReadOnlySpan<SafeFileHandle> descriptors = default
    )
    {
        MessageHeader header = new()
        {
            Id = _lastId,
            Command = command,
            SizeBytes = sizeBytes,
            Flags = flags,
        };
        SendStream([.. Wire.Bytes(ref header), .. payload], descriptors);
    }

    /// <summary>Sends bytes that need not be whole messages. A home that has closed the connection already is no error.</summary>
    public void SendStream(ReadOnlySpan<byte> bytes, ReadOnlySpan<SafeFileHandle> descriptors = default) =>
        _channel.Send(bytes, [.. descriptors]);

    /// <summary>Receives an answer.</summary>
    public (Errno Error, byte[] Payload) Receive(Command command)
    {
        AnswerDescriptors.Clear();
        byte[] header = new byte[HeaderBytes];
        ReceiveExactly(header);
        MessageHeader read = Wire.Read<MessageHeader>(header);
        while ((read.Flags & HeaderFlags.TypeMask) == HeaderFlags.None)
        {
            Serve(read);
            ReceiveExactly(header);
            read = Wire.Read<MessageHeader>(header);
        }

        Assert.Equal(command, read.Command);
        Assert.True(read.Flags.HasFlag(HeaderFlags.Reply));
        Assert.Equal(read.Error != 0, read.Flags.HasFlag(HeaderFlags.Error));
        LastAnswerId = read.Id;
        byte[] payload = new byte[read.SizeBytes - HeaderBytes];
        ReceiveExactly(payload);
        return ((Errno)read.Error, payload);
    }

    /// <summary>Answers one command of the home's, if one has come.</summary>
    public void Pump()
    {
        byte[] header = new byte[HeaderBytes];
        if (_channel.TryReceive(header, out int count) == ReceiveOutcome.Received)
        {
            ReceiveExactly(header.AsSpan(count));
            Serve(Wire.Read<MessageHeader>(header));
        }
    }

    /// <summary>Pumps until something holds.</summary>
    public void PumpUntil(Func<bool> condition, string complaint) =>
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    Pump();
                    return condition();
                },
                Patience
            ),
            complaint
        );

    /// <summary>Answers a command of the home's.</summary>
    public void Answer(DistantRam.Answer answer)
    {
        byte[] payload = answer.Error == Errno.None ? answer.Payload : [];
        MessageHeader header = new()
        {
            Id = answer.Id,
            Command = answer.Command,
            SizeBytes = (uint)(HeaderBytes + payload.Length),
            Flags = answer.Error == Errno.None ? HeaderFlags.Reply : HeaderFlags.Reply | HeaderFlags.Error,
            Error = (uint)answer.Error,
        };
        SendStream([.. Wire.Bytes(ref header), .. payload]);
    }

    /// <summary>The id in the last answer.</summary>
    public ushort LastAnswerId { get; private set; }

    /// <summary>The id of the last command.</summary>
    public ushort LastId => _lastId;

    /// <summary>Makes a file's memory known.</summary>
    public void Map(ulong address, ulong lengthBytes, SafeFileHandle? file, ulong fileOffset = 0, uint flags = 3) =>
        Ask(Command.DmaMap, MapRequest(address, lengthBytes, fileOffset, flags), file is null ? [] : [file]);

    public static byte[] MapRequest(ulong address, ulong lengthBytes, ulong fileOffset = 0, uint flags = 3)
    {
        DmaMapRequest request = new()
        {
            ArgumentBytes = 32,
            Flags = flags,
            FileOffset = fileOffset,
            Address = address,
            LengthBytes = lengthBytes,
        };
        return Wire.Bytes(ref request).ToArray();
    }

    public static byte[] UnmapRequest(ulong address, ulong lengthBytes, uint flags = 0)
    {
        DmaUnmapRequest request = new()
        {
            ArgumentBytes = 24,
            Flags = flags,
            Address = address,
            LengthBytes = lengthBytes,
        };
        return Wire.Bytes(ref request).ToArray();
    }

    /// <summary>Says how interrupts are announced.</summary>
    public void SetIrqs(uint index, uint start, uint count, uint flags, params ReadOnlySpan<EventFd> descriptors) =>
        Ask(Command.DeviceSetIrqs, IrqRequest(index, start, count, flags), Handles(descriptors));

    public static byte[] IrqRequest(uint index, uint start, uint count, uint flags, params ReadOnlySpan<byte> data)
    {
        IrqSet set = new()
        {
            ArgumentBytes = (uint)(20 + data.Length),
            Flags = (IrqSetFlags)flags,
            Index = index,
            Start = start,
            Count = count,
        };
        return [.. Wire.Bytes(ref set), .. data];
    }

    public static byte[] AccessRequest(uint region, ulong offset, uint count, params ReadOnlySpan<byte> data)
    {
        RegionAccess access = new()
        {
            Offset = offset,
            Region = region,
            Count = count,
        };
        return [.. Wire.Bytes(ref access), .. data];
    }

    public void ReadConfig(ulong offset, Span<byte> destination) => Read(7, offset, destination);

    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source) => Write(7, offset, source);

    public void ReadBar(int bar, ulong offset, Span<byte> destination) => Read((uint)bar, offset, destination);

    public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source) => Write((uint)bar, offset, source);

    /// <summary>Goes to a state of the migration.</summary>
    public void SetMigrationState(uint state) => Ask(Command.DeviceFeature, FeatureRequest(SetMigrationFeature, state));

    public static byte[] FeatureRequest(uint flags, uint? state = null)
    {
        byte[] head = [.. BitConverter.GetBytes(16u), .. BitConverter.GetBytes(flags)];
        return state is null ? head : [.. head, .. BitConverter.GetBytes(state.Value), .. BitConverter.GetBytes(-1)];
    }

    public static byte[] StateRequest(uint count, params ReadOnlySpan<byte> data) =>
        [.. BitConverter.GetBytes((uint)(8 + data.Length)), .. BitConverter.GetBytes(count), .. data];

    /// <summary>Reads all of the state of a stopped device.</summary>
    public byte[] ReadState()
    {
        List<byte> state = [];
        while (true)
        {
            byte[] answer = Ask(Command.MigrationDataRead, StateRequest(StatePieceBytes));
            state.AddRange(answer[8..]);
            if (answer.Length < 8 + StatePieceBytes)
            {
                return [.. state];
            }
        }
    }

    /// <summary>Writes the state of a device that is about to go on.</summary>
    public void WriteState(byte[] state)
    {
        foreach (byte[] part in state.Chunk(StatePieceBytes))
        {
            Ask(Command.MigrationDataWrite, StateRequest((uint)part.Length, part));
        }
    }

    /// <summary>Waits until everything sent so far has been handled.</summary>
    public void Settle() => Ask(Command.DeviceGetInfo, InfoRequest());

    public static byte[] InfoRequest()
    {
        DeviceInfo info = new() { ArgumentBytes = 16 };
        return Wire.Bytes(ref info).ToArray();
    }

    /// <summary>Waits for the home to close the connection, and expects no answer before that.</summary>
    public void ExpectClosed() => Assert.Equal(ReceiveOutcome.Closed, Wait(new byte[1], out _));

    /// <summary>Whether something is there to be received; only for connections of which nothing more is wanted then.</summary>
    public bool HasMessage => _channel.TryReceive(new byte[1], out _) == ReceiveOutcome.Received;

    /// <summary>Reads and forgets what has come, without waiting for more.</summary>
    /// <returns>False when the home has closed the connection.</returns>
    public bool Drain()
    {
        byte[] bytes = new byte[65536];
        while (true)
        {
            var room = new SafeFileHandle?[16];
            ReceiveOutcome outcome = _channel.TryReceive(bytes, room, out _, out int count);
            for (int index = 0; index < count; index++)
            {
                room[index]!.Dispose();
            }

            if (outcome != ReceiveOutcome.Received)
            {
                return outcome != ReceiveOutcome.Closed;
            }
        }
    }

    public void Dispose()
    {
        AnswerDescriptors.ForEach(static descriptor => descriptor.Dispose());
        _channel.Dispose();
    }

    private static SafeFileHandle[] Handles(ReadOnlySpan<EventFd> descriptors) =>
        [.. descriptors.ToArray().Select(static descriptor => descriptor.Handle)];

    private void Read(uint region, ulong offset, Span<byte> destination)
    {
        byte[] answer = Ask(Command.RegionRead, AccessRequest(region, offset, (uint)destination.Length));
        Assert.Equal(AccessRequest(region, offset, (uint)destination.Length), answer[..16]);
        answer.AsSpan(16).CopyTo(destination);
    }

    private void Write(uint region, ulong offset, ReadOnlySpan<byte> source) =>
        Ask(Command.RegionWrite, AccessRequest(region, offset, (uint)source.Length, source));

    private void Serve(MessageHeader header)
    {
        Assert.True(header.Flags == HeaderFlags.None && header.Command is Command.DmaRead or Command.DmaWrite);
        Assert.NotNull(Distant);
        byte[] payload = new byte[header.SizeBytes - HeaderBytes];
        ReceiveExactly(payload);
        Distant.Serve(this, header, payload);
    }

    private void ReceiveExactly(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            Assert.Equal(ReceiveOutcome.Received, Wait(destination, out int count));
            destination = destination[count..];
        }
    }

    private ReceiveOutcome Wait(Span<byte> destination, out int byteCount)
    {
        long begin = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        while (true)
        {
            var room = new SafeFileHandle?[16];
            ReceiveOutcome outcome = _channel.TryReceive(destination, room, out byteCount, out int descriptorCount);
            for (int index = 0; index < descriptorCount; index++)
            {
                AnswerDescriptors.Add(room[index]!);
            }

            if (outcome != ReceiveOutcome.WouldBlock)
            {
                return outcome;
            }

            Assert.True(Stopwatch.GetElapsedTime(begin) < Patience, "the home does not answer");
            spin.SpinOnce();
        }
    }
}
