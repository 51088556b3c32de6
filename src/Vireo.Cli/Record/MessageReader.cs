using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Record;

/// <summary>Takes whole messages from a socket.</summary>
/// <remarks>Used by one thread. A tool that watches looks at the form only: whether a message makes sense is for its receiver.</remarks>
internal sealed class MessageReader(UnixChannel channel) : IDisposable
{
    /// <summary>No message of the protocol is a tenth of this.</summary>
    public const int PayloadBytesMax = 64 * 1024;

    /// <summary>No message of the protocol has a quarter of this.</summary>
    public const int DescriptorsMax = 64;

    private readonly byte[] _header = new byte[WireMessage.HeaderBytes];
    private readonly SafeFileHandle?[] _received = new SafeFileHandle?[DescriptorsMax];
    private List<SafeFileHandle> _descriptors = [];

    /// <summary>The message so far, once its header is whole.</summary>
    private byte[]? _message;

    private int _count;

    /// <summary>Takes the next message without waiting.</summary>
    /// <param name="message">The message; the caller's. Null when it is not whole yet, or when the connection has ended.</param>
    /// <returns>False when the connection has ended, or what comes is no message.</returns>
    public bool TryRead(out WireMessage? message)
    {
        message = null;
        while (true)
        {
            byte[] destination = _message ?? _header;
            if (_count < destination.Length)
            {
                ReceiveOutcome outcome = channel.TryReceive(
                    destination.AsSpan(_count),
                    _received,
                    out int byteCount,
                    out int descriptorCount
                );
                if (outcome != ReceiveOutcome.Received)
                {
                    return outcome == ReceiveOutcome.WouldBlock;
                }

                _count += byteCount;
                for (int index = 0; index < descriptorCount; index++)
                {
                    _descriptors.Add(_received[index]!);
                }
            }
            else if (_message is null)
            {
                uint payloadBytes = WireMessage.PayloadLengthOf(_header);
                if (payloadBytes > PayloadBytesMax)
                {
                    return false;
                }

                _message = [.. _header, .. new byte[payloadBytes]];
            }
            else
            {
                message = new WireMessage(_message, _descriptors);
                _message = null;
                _descriptors = [];
                _count = 0;
                return true;
            }
        }
    }

    /// <summary>Closes the descriptors of a message that never became whole. The socket stays its owner's.</summary>
    public void Dispose() => _descriptors.ForEach(descriptor => descriptor.Dispose());
}
