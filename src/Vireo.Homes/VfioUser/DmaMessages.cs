using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser;

/// <summary>Reaches memory of a client that came without a file, by DMA_READ and DMA_WRITE (decision 0022).</summary>
/// <remarks>
/// Nothing waits: commands go out in the order in which they were asked for, as many at a time as the socket's buffers hold answers
/// for, and each step ends when its answers have come. Control thread, except <see cref="Post"/>.
/// </remarks>
internal sealed class DmaMessages : IDistantAccess
{
    /// <summary>The most bytes that one command moves: some of these fit into a socket's buffer.</summary>
    private const int PieceBytesMax = 1 << 16;

    /// <summary>How many bytes may be on their way here. More, and client and server might each wait for the other to read.</summary>
    private const int IncomingBytesMax = 1 << 17;

    /// <summary>How many commands may be without an answer.</summary>
    private const int CommandsMax = 64;

    /// <summary>A count whose lower half is 0: a client that reads only that half answers, all others refuse.</summary>
    private const ulong CountThatTells = 1ul << 32;

    private static readonly int PrefixBytes = Wire.SizeOf<MessageHeader>() + Wire.SizeOf<DmaAccessHeader>();

    private readonly MessageSocket _socket;
    private readonly DmaTable _table;
    private readonly EventLoop _control;
    private readonly int _pieceBytes;
    private readonly Action<string> _break;
    private readonly ILogger _log;
    private readonly byte[] _message;

    /// <summary>What has not been sent, in order.</summary>
    private readonly Queue<DmaCommand> _waiting = new();

    /// <summary>What has been sent and not answered, by id.</summary>
    private readonly Dictionary<ushort, DmaCommand> _sent = [];

    private DmaForm _form;
    private ushort _lastId;
    private int _incomingBytes;
    private int _writes;
    private bool _isClosed;

    /// <summary>Begins without anything to do.</summary>
    /// <param name="socket">The connection; stays the caller's.</param>
    /// <param name="table">The client's memory.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="transferBytesMax">The most bytes the client takes in one access.</param>
    /// <param name="onBroken">Told why the connection has to end, when that is found out outside of a message.</param>
    /// <param name="log">Where it is said what was found out about the client.</param>
    public DmaMessages(
        MessageSocket socket,
        DmaTable table,
        EventLoop control,
        int transferBytesMax,
        Action<string> onBroken,
        ILogger log
    )
    {
        _socket = socket;
        _table = table;
        _control = control;
        _pieceBytes = Math.Clamp(transferBytesMax, 1, PieceBytesMax);
        _break = onBroken;
        _log = log;
        _message = new byte[PrefixBytes + _pieceBytes];
    }

    /// <summary>Where it is noted what goes to the client's memory; null for nowhere.</summary>
    public DirtyLog? Log { get; set; }

    /// <summary>Whether something is on its way to the client's memory.</summary>
    public bool HasWritesInFlight => _writes > 0;

    /// <summary>Whether an answer with this id is awaited.</summary>
    public bool Expects(ushort id) => _sent.ContainsKey(id);

    /// <inheritdoc/>
    public void Read(GuestRange range, byte[]? destination, DistantStep step) =>
        Add(Command.DmaRead, range, destination, step);

    /// <inheritdoc/>
    public void Write(GuestRange range, byte[]? source, DistantStep step) => Add(Command.DmaWrite, range, source, step);

    /// <inheritdoc/>
    public void Flush()
    {
        while (_form != DmaForm.Unknown && _waiting.TryDequeue(out DmaCommand? command))
        {
            TrySend(command);
        }
    }

    /// <inheritdoc/>
    public void Post(Action action) => _control.Post(action);

    /// <inheritdoc/>
    public IDisposable Watch(ISignal kick, Action action) => new KickWatch(_control, (EventFdSignal)kick, action);

    /// <inheritdoc/>
    public ISignal MakeKick() => new LoopSignal();

    /// <summary>Handles an answer; one with its id is awaited.</summary>
    /// <param name="message">The answer.</param>
    /// <exception cref="ProtocolException">It does not fit the command.</exception>
    public void Handle(Message message)
    {
        _sent.Remove(message.Header.Id, out DmaCommand? command);
        if (message.Header.Command != command!.Command || message.DescriptorCount > 0)
        {
            throw new ProtocolException(
                $"answer {message.Header.Id} is one of {message.Header.Command} with {message.DescriptorCount} descriptors, where {command.Command} was asked"
            );
        }

        if (command.Step is null)
        {
            LearnForm(command, message);
        }
        else
        {
            Complete(command, command.Step, message);
        }

        SendWaiting();
    }

    /// <summary>The client has gone.</summary>
    /// <returns>Whether something was on its way to its memory.</returns>
    public bool Close()
    {
        _isClosed = true;
        _waiting.Clear();
        _sent.Clear();
        return HasWritesInFlight;
    }

    private void Add(Command kind, GuestRange range, byte[]? bytes, DistantStep step)
    {
        ulong address = range.Address.Value;
        uint left = range.LengthBytes;
        while (left > 0)
        {
            // What is mapped, or nowhere, is left alone.
            uint part = _table.PartAt(address, left, out bool isDistant);
            uint count = isDistant ? Math.Min(part, (uint)_pieceBytes) : part;
            if (isDistant)
            {
                step.Begin();
                _writes += kind == Command.DmaWrite ? 1 : 0;
                _waiting.Enqueue(new(kind, address, count, bytes, (int)(range.LengthBytes - left), step));
            }

            left -= count;
            address = left == 0 ? address : address + count;
        }

        SendWaiting();
    }

    private void SendWaiting()
    {
        if (_form == DmaForm.Unknown)
        {
            AskForForm();
            return;
        }

        while (
            _sent.Count < CommandsMax
            && _waiting.TryPeek(out DmaCommand? command)
            && (
                command.Command == Command.DmaWrite
                || _incomingBytes == 0
                || _incomingBytes + (int)command.Count <= IncomingBytesMax
            )
        )
        {
            _waiting.Dequeue();
            TrySend(command);
        }
    }

    /// <summary>
    /// Finds out the form of the client's messages with a write of nothing, which changes nothing in either form; a client that does not
    /// answer it as the protocol says is asked a second question.
    /// </summary>
    private void AskForForm()
    {
        if (_sent.Count == 0 && _waiting.TryPeek(out DmaCommand? first))
        {
            TrySend(new(Command.DmaWrite, first.Address, 0, [], 0, null));
        }
    }

    private void LearnForm(DmaCommand question, Message answer)
    {
        bool isRefused = answer.Header.Flags.HasFlag(HeaderFlags.Error);
        if (question.Command == Command.DmaWrite && !isRefused && answer.Payload.IsEmpty)
        {
            TrySend(new(Command.DmaRead, question.Address, CountThatTells, [], 0, null));
            return;
        }

        _form = question.Command == Command.DmaRead && !isRefused ? DmaForm.ShortCount : DmaForm.Standard;
        _log.DmaFormKnown(_form);
    }

    private void TrySend(DmaCommand command)
    {
        if (_isClosed)
        {
            Fail(command, "the client has gone");
            return;
        }

        ReadOnlySpan<byte> data = default;
        if (command.Command == Command.DmaWrite && !TryData(command, out data))
        {
            Fail(command, $"the client has taken the memory at 0x{command.Address:x} away");
            return;
        }

        do
        {
            _lastId = _lastId == ushort.MaxValue ? (ushort)0 : (ushort)(_lastId + 1);
        } while (_sent.ContainsKey(_lastId));

        _sent.Add(_lastId, command);
        if (command.Command == Command.DmaWrite)
        {
            // Now, and not only when the mirror was written: a report in between came before this write.
            Log?.Mark(new(command.Address), (uint)command.Count);
        }

        _incomingBytes += IncomingBytes(command);
        int length = PrefixBytes + data.Length;
        MessageHeader header = new()
        {
            Id = _lastId,
            Command = command.Command,
            SizeBytes = (uint)length,
        };
        Span<byte> message = _message.AsSpan(0, length);
        message.Clear();
        Wire.Write(message, in header);
        Span<byte> payload = message[Wire.SizeOf<MessageHeader>()..];
        Wire.Write(payload, new DmaAccessHeader { Address = command.Address, Count = command.Count });
        data.CopyTo(payload[DataOffset..]);
        try
        {
            _socket.Send(message, default);
        }
        catch (ProtocolException exception)
        {
            _isClosed = true;
            _break(exception.Message);
        }
    }

    /// <summary>Where in a payload the data begins.</summary>
    private int DataOffset => _form == DmaForm.ShortCount ? sizeof(ulong) + sizeof(uint) : 2 * sizeof(ulong);

    private static int IncomingBytes(DmaCommand command) =>
        command.Command == Command.DmaRead && command.Step is not null ? (int)command.Count : 0;

    /// <summary>The bytes of a copy: the caller's, or those of the mirror if the memory is still there.</summary>
    private bool TryData(DmaCommand command, out ReadOnlySpan<byte> data)
    {
        bool isThere = TryRoom(command, out Span<byte> room);
        data = room;
        return isThere;
    }

    private bool TryRoom(DmaCommand command, out Span<byte> room)
    {
        room = default;
        if (!command.IsMirror)
        {
            room = command.Bytes;
            return true;
        }

        return _table.TryMirror(command.Address, (int)command.Count, out room);
    }

    private void Complete(DmaCommand command, DistantStep step, Message message)
    {
        _incomingBytes -= IncomingBytes(command);
        _writes -= command.Command == Command.DmaWrite ? 1 : 0;
        if (message.Header.Flags.HasFlag(HeaderFlags.Error))
        {
            var error = (Errno)message.Header.Error;
            step.End($"{command.Command} of {command.Count} bytes at 0x{command.Address:x} was answered with {error}");
            return;
        }

        CheckAnswer(command, message.Payload);
        if (command.Command == Command.DmaRead && TryRoom(command, out Span<byte> room))
        {
            message.Payload.Slice(DataOffset, room.Length).CopyTo(room);
        }

        step.End();
    }

    /// <summary>Checks that an answer says and holds what was asked for.</summary>
    private void CheckAnswer(DmaCommand command, ReadOnlySpan<byte> payload)
    {
        bool isRead = command.Command == Command.DmaRead;
        if (!isRead && payload.IsEmpty)
        {
            // QEMU says no more than that it is done.
            return;
        }

        int length = 2 * sizeof(ulong) + (isRead ? (int)command.Count : 0);
        ulong count = 0;
        bool isRight =
            payload.Length == length
            && Wire.Read<ulong>(payload) == command.Address
            && (count = CountIn(payload)) == command.Count;
        if (!isRight)
        {
            throw new ProtocolException(
                $"{command.Command} of {command.Count} bytes at 0x{command.Address:x} was answered with {payload.Length} bytes and the count {count}"
            );
        }
    }

    private ulong CountIn(ReadOnlySpan<byte> payload) =>
        _form == DmaForm.ShortCount
            ? Wire.Read<uint>(payload[sizeof(ulong)..])
            : Wire.Read<ulong>(payload[sizeof(ulong)..]);

    private void Fail(DmaCommand command, string reason)
    {
        // What cannot be delivered stays undelivered: the count of writes remembers it only when the client is gone.
        _writes -= command.Command == Command.DmaWrite && !_isClosed ? 1 : 0;
        command.Step?.End(reason);
    }
}
