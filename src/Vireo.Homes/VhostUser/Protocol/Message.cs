using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>One message of the front-end: number, payload and the descriptors that came with it.</summary>
/// <remarks>Used again for the next message. Descriptors that nobody has taken by then are closed.</remarks>
internal sealed class Message
{
    private readonly byte[] _payload = new byte[PayloadBytesMax];
    private readonly SafeFileHandle?[] _descriptors = new SafeFileHandle?[DescriptorsMax];
    private int _payloadBytes;

    /// <summary>The longest payload there is; that of a crypto session comes nearest.</summary>
    public const int PayloadBytesMax = 4096;

    /// <summary>The most descriptors that may come with one message.</summary>
    public const int DescriptorsMax = 8;

    /// <summary>Which message.</summary>
    public FrontEndRequest Request { get; private set; }

    /// <summary>Whether the front-end waits for an answer, if that was negotiated.</summary>
    public bool NeedsReply { get; private set; }

    /// <summary>The payload, valid until the next message.</summary>
    public ReadOnlySpan<byte> Payload => _payload.AsSpan(0, _payloadBytes);

    /// <summary>How many descriptors came with the message, those taken included.</summary>
    public int DescriptorCount { get; private set; }

    /// <summary>Room for the payload, of the length that the header says.</summary>
    public Span<byte> PayloadRoom => _payload.AsSpan(0, _payloadBytes);

    /// <summary>Begins a new message.</summary>
    /// <param name="header">The header; its length has been checked.</param>
    public void Begin(MessageHeader header)
    {
        Request = (FrontEndRequest)header.Request;
        NeedsReply = header.Flags.HasFlag(MessageFlags.NeedReply);
        _payloadBytes = (int)header.PayloadBytes;
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

    /// <summary>The payload as a structure; the length has been checked against the table of messages.</summary>
    public T Read<T>()
        where T : unmanaged => Wire.Read<T>(Payload);

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
