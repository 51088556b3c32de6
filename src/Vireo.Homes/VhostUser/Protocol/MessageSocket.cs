using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Linux;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A socket as a sequence of messages: header, then as many bytes as it says; descriptors come with the first byte.</summary>
/// <remarks>Nothing here ever waits for the peer: a message that has come in part is kept until the rest is there.</remarks>
internal sealed class MessageSocket : IDisposable
{
    private readonly UnixChannel _channel;

    /// <summary>Whether the messages that come are requests or answers: the flag of an answer, or none.</summary>
    private readonly MessageFlags _direction;

    private readonly byte[] _header = new byte[Wire.SizeOf<MessageHeader>()];
    private readonly SafeFileHandle?[] _received = new SafeFileHandle?[Message.DescriptorsMax];

    /// <summary>How much of the header has come.</summary>
    private int _headerBytes;

    /// <summary>How much of the payload has come; the header is complete then.</summary>
    private int _payloadBytes;

    /// <summary>Takes over a connected socket.</summary>
    /// <param name="channel">The socket; becomes this object's.</param>
    /// <param name="direction">What comes on it: requests (no flag) or answers (the flag of answers).</param>
    public MessageSocket(UnixChannel channel, MessageFlags direction = MessageFlags.None)
    {
        _channel = channel;
        _direction = direction;
        // A peer that leaves more answers unread than fit into the socket has stopped listening.
        _channel.SendTimeout = TimeSpan.Zero;
    }

    /// <summary>The descriptor, to be watched by a loop.</summary>
    public SafeFileHandle Handle => _channel.Handle;

    /// <summary>The message that is being received, or was received last.</summary>
    public Message Message { get; } = new();

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
    /// <param name="header">The header, but for the length.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="descriptor">A descriptor to go with it, or null; stays the caller's.</param>
    /// <returns>False when the peer has closed the connection.</returns>
    /// <exception cref="ProtocolException">The peer does not read.</exception>
    public bool Send(MessageHeader header, ReadOnlySpan<byte> payload, SafeHandle? descriptor = null) =>
        Send(header, payload, descriptor is null ? [] : [descriptor]);

    /// <summary>Sends a message with several descriptors.</summary>
    /// <param name="header">The header, but for the length.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="descriptors">The descriptors to go with it; they stay the caller's.</param>
    /// <returns>False when the peer has closed the connection.</returns>
    /// <exception cref="ProtocolException">The peer does not read.</exception>
    public bool Send(MessageHeader header, ReadOnlySpan<byte> payload, ReadOnlySpan<SafeHandle> descriptors)
    {
        Span<byte> bytes = stackalloc byte[_header.Length + payload.Length];
        header.PayloadBytes = (uint)payload.Length;
        Wire.Write(bytes, in header);
        payload.CopyTo(bytes[_header.Length..]);
        return _channel.Send(bytes, descriptors) switch
        {
            SendOutcome.Sent => true,
            SendOutcome.Closed => false,
            _ => throw new ProtocolException("the peer does not read its answers"),
        };
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
        if ((header.Flags & ~MessageFlags.NeedReply) != (MessageFlags.Version | _direction))
        {
            string expected = _direction == MessageFlags.None ? "a request" : "an answer";
            throw new ProtocolException(
                $"message {header.Request} has flags {(uint)header.Flags:x}, where {expected} of version 1 was expected"
            );
        }

        if (header.PayloadBytes > Message.PayloadBytesMax)
        {
            throw new ProtocolException(
                $"message {header.Request} says it has {header.PayloadBytes} bytes, more than any message"
            );
        }

        Message.Begin(header);
    }
}
