using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>One command of the client: header, payload, and the descriptors that came with it.</summary>
/// <remarks>Used again for the next command. Descriptors that nobody has taken by then are closed.</remarks>
internal sealed class Message
{
    /// <summary>The most descriptors that may come with one message; QEMU accepts no larger offer.</summary>
    public const int DescriptorsMax = 16;

    /// <summary>Room for all messages but large transfers.</summary>
    private const int UsualPayloadBytes = 4096;

    private readonly SafeFileHandle?[] _descriptors = new SafeFileHandle?[DescriptorsMax];
    private byte[] _payload = new byte[UsualPayloadBytes];
    private int _payloadBytes;

    /// <summary>The header.</summary>
    public MessageHeader Header { get; private set; }

    /// <summary>Whether it is an answer to a command of the server's.</summary>
    public bool IsAnswer => Header.Flags.HasFlag(HeaderFlags.Reply);

    /// <summary>Whether the client wants an answer.</summary>
    public bool WantsReply => !Header.Flags.HasFlag(HeaderFlags.NoReply);

    /// <summary>The payload, valid until the next message.</summary>
    public ReadOnlySpan<byte> Payload => _payload.AsSpan(0, _payloadBytes);

    /// <summary>Room for the payload, of the length that the header says.</summary>
    public Span<byte> PayloadRoom => _payload.AsSpan(0, _payloadBytes);

    /// <summary>How many descriptors came with the message, those taken included.</summary>
    public int DescriptorCount { get; private set; }

    /// <summary>Begins a new message.</summary>
    /// <param name="header">The header; its length has been checked.</param>
    /// <param name="payloadBytes">Length of the payload.</param>
    public void Begin(MessageHeader header, int payloadBytes)
    {
        Header = header;
        _payloadBytes = payloadBytes;
        if (_payload.Length < payloadBytes)
        {
            _payload = new byte[payloadBytes];
        }
    }

    /// <summary>Adds a descriptor, which becomes the message's.</summary>
    /// <returns>False when there are too many; the descriptor is closed then.</returns>
    public bool TryAddDescriptor(SafeFileHandle descriptor)
    {
        if (DescriptorCount == DescriptorsMax)
        {
            descriptor.Dispose();
            return false;
        }

        _descriptors[DescriptorCount] = descriptor;
        DescriptorCount++;
        return true;
    }

    /// <summary>The structure that the payload begins with.</summary>
    /// <exception cref="RefusalException">The payload is shorter.</exception>
    public T Read<T>()
        where T : unmanaged =>
        Wire.TryRead(Payload, out T value)
            ? value
            : throw new RefusalException($"{_payloadBytes} bytes of payload, where {Wire.SizeOf<T>()} are the least");

    /// <summary>Checks that no descriptor came with the message.</summary>
    /// <exception cref="RefusalException">One did.</exception>
    public void RefuseDescriptors()
    {
        if (DescriptorCount > 0)
        {
            throw new RefusalException($"{DescriptorCount} descriptors came, where none is expected");
        }
    }

    /// <summary>Takes a descriptor over: it becomes the caller's.</summary>
    /// <param name="index">Which; each can be taken once.</param>
    public SafeFileHandle TakeDescriptor(int index)
    {
        SafeFileHandle descriptor = _descriptors[index]!;
        _descriptors[index] = null;
        return descriptor;
    }

    /// <summary>Closes the descriptors that nobody took.</summary>
    public void CloseDescriptors()
    {
        for (int index = 0; index < DescriptorCount; index++)
        {
            _descriptors[index]?.Dispose();
            _descriptors[index] = null;
        }

        DescriptorCount = 0;
    }
}
