using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Linux;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>A socket as a sequence of commands: header, then as many bytes as it says; descriptors come with the first byte.</summary>
/// <remarks>Nothing here ever waits for the client: a message that has come in part is kept until the rest is there.</remarks>
internal sealed class MessageSocket : IDisposable
{
    /// <summary>The most data that one access may move, as offered to the client.</summary>
    public const int TransferBytesMax = 1 << 20;

    /// <summary>The longest payload: a transfer and what is said about it.</summary>
    private const int PayloadBytesMax = TransferBytesMax + 64;

    /// <summary>How long a client may leave its answers unread before it counts as gone.</summary>
    private static readonly TimeSpan SendPatience = TimeSpan.FromSeconds(5);

    private readonly UnixChannel _channel;
    private readonly byte[] _header = new byte[Wire.SizeOf<MessageHeader>()];
    private readonly SafeFileHandle?[] _received = new SafeFileHandle?[Message.DescriptorsMax];

    /// <summary>How much of the header has come.</summary>
    private int _headerBytes;

    /// <summary>How much of the payload has come; the header is complete then.</summary>
    private int _payloadBytes;

    /// <summary>Takes over a connected socket.</summary>
    /// <param name="channel">The socket; becomes this object's.</param>
    public MessageSocket(UnixChannel channel)
    {
        _channel = channel;
        _channel.SendTimeout = SendPatience;
    }

    /// <summary>The descriptor, to be watched by a loop.</summary>
    public SafeFileHandle Handle => _channel.Handle;

    /// <summary>The message that is being received, or was received last.</summary>
    public Message Message { get; } = new();

    /// <summary>Whether an answer with an id is awaited; null when nothing is ever asked.</summary>
    public Func<ushort, bool>? ExpectsAnswer { get; set; }

    /// <summary>Whether part of a message has come, but not all of it.</summary>
    public bool IsInMessage => _headerBytes > 0;

    /// <summary>Whether the peer has closed its end; what it sent before may not have been received yet.</summary>
    public bool HasPeerGone => _channel.HasPeerGone;

    /// <summary>Who is at the other end, for the log.</summary>
    public string PeerName
    {
        get
        {
            try
            {
                PeerCredentials peer = _channel.GetPeer();
                return $"process {peer.ProcessId} of user {peer.UserId}";
            }
            catch (LinuxException)
            {
                return "an unknown process";
            }
        }
    }

    /// <summary>Receives what is there of a message.</summary>
    /// <returns>Received when <see cref="Message"/> is complete; else what the socket said.</returns>
    /// <exception cref="ProtocolException">The header is wrong, or descriptors came where none may.</exception>
    public ReceiveOutcome TryReceive()
    {
        while (_headerBytes < _header.Length)
        {
            ReceiveOutcome outcome = ReceivePart(_header.AsSpan(_headerBytes), _headerBytes == 0, out int count);
            if (outcome != ReceiveOutcome.Received)
            {
                return outcome;
            }

            _headerBytes += count;
            if (_headerBytes == _header.Length)
            {
                BeginMessage();
            }
        }

        Span<byte> room = Message.PayloadRoom;
        while (_payloadBytes < room.Length)
        {
            ReceiveOutcome outcome = ReceivePart(room[_payloadBytes..], mayHaveDescriptors: false, out int count);
            if (outcome != ReceiveOutcome.Received)
            {
                return outcome;
            }

            _payloadBytes += count;
        }

        _headerBytes = _payloadBytes = 0;
        return ReceiveOutcome.Received;
    }

    /// <summary>Sends a message.</summary>
    /// <param name="bytes">Header and payload.</param>
    /// <param name="descriptors">Descriptors to go with it; they stay the caller's.</param>
    /// <exception cref="ProtocolException">The client does not read.</exception>
    public void Send(ReadOnlySpan<byte> bytes, ReadOnlySpan<SafeHandle> descriptors)
    {
        // A client that has closed is met when its end of the stream is read.
        if (_channel.Send(bytes, descriptors) == SendOutcome.WouldBlock)
        {
            throw new ProtocolException("the client does not read its answers");
        }
    }

    /// <summary>Closes the socket and the descriptors of an unfinished message.</summary>
    public void Dispose()
    {
        Message.CloseDescriptors();
        _channel.Dispose();
    }

    private ReceiveOutcome ReceivePart(Span<byte> destination, bool mayHaveDescriptors, out int byteCount)
    {
        ReceiveOutcome outcome = _channel.TryReceive(destination, _received, out byteCount, out int descriptorCount);
        for (int index = 0; index < descriptorCount; index++)
        {
            // Taken over before anything is judged, so that they are closed whatever comes of it.
            Message.TryAddDescriptor(_received[index]!);
            _received[index] = null;
        }

        if (outcome == ReceiveOutcome.DescriptorsLost)
        {
            throw new ProtocolException(
                $"more than {Message.DescriptorsMax} descriptors came with one message, or than this process may open"
            );
        }

        if (descriptorCount > 0 && !mayHaveDescriptors)
        {
            throw new ProtocolException($"{descriptorCount} descriptors came in the middle of a message");
        }

        return outcome;
    }

    private void BeginMessage()
    {
        MessageHeader header = Wire.Read<MessageHeader>(_header);
        HeaderFlags type = header.Flags & HeaderFlags.TypeMask;
        bool isAwaited = type == HeaderFlags.Reply && ExpectsAnswer is not null && ExpectsAnswer(header.Id);
        if (type != HeaderFlags.None && !isAwaited)
        {
            throw new ProtocolException(
                $"message {header.Id} has flags 0x{(uint)header.Flags:x}: it answers a command that was never sent"
            );
        }

        if (header.SizeBytes < _header.Length || header.SizeBytes - _header.Length > PayloadBytesMax)
        {
            throw new ProtocolException(
                $"message {header.Id} says it has {header.SizeBytes} bytes, and a message has {_header.Length} to {_header.Length + PayloadBytesMax}"
            );
        }

        Message.Begin(header, (int)header.SizeBytes - _header.Length);
    }
}
