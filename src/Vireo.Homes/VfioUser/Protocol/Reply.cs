using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The answer to a command while it is being written; used again for the next.</summary>
internal sealed class Reply
{
    private const int UsualBytes = 4096;

    private static readonly int HeaderBytes = Wire.SizeOf<MessageHeader>();

    private readonly SafeHandle[] _descriptors = new SafeHandle[Message.DescriptorsMax];
    private byte[] _bytes = new byte[UsualBytes];
    private int _length;

    /// <summary>The descriptors that go with the answer; they stay their owner's.</summary>
    public ReadOnlySpan<SafeHandle> Descriptors => _descriptors.AsSpan(0, DescriptorCount);

    /// <summary>How many descriptors go with the answer.</summary>
    public int DescriptorCount { get; private set; }

    /// <summary>Begins an answer without payload.</summary>
    public void Begin()
    {
        _length = HeaderBytes;
        Array.Clear(_descriptors, 0, DescriptorCount);
        DescriptorCount = 0;
    }

    /// <summary>Appends a structure.</summary>
    public void Append<T>(in T value)
        where T : unmanaged => Wire.Write(Append(Wire.SizeOf<T>()), in value);

    /// <summary>Appends bytes, for the caller to fill.</summary>
    /// <param name="length">How many; at most a transfer.</param>
    public Span<byte> Append(int length)
    {
        if (_bytes.Length - _length < length)
        {
            Array.Resize(ref _bytes, _length + length);
        }

        Span<byte> room = _bytes.AsSpan(_length, length);
        room.Clear();
        _length += length;
        return room;
    }

    /// <summary>Lets a descriptor go with the answer; there is room for as many as a message may carry.</summary>
    public void Attach(SafeHandle descriptor)
    {
        _descriptors[DescriptorCount] = descriptor;
        DescriptorCount++;
    }

    /// <summary>Completes the answer to a command.</summary>
    /// <param name="command">The command's header.</param>
    /// <param name="error">Why it failed: then the header is all there is; 0 when it did not.</param>
    /// <returns>The bytes to send.</returns>
    public ReadOnlySpan<byte> Complete(MessageHeader command, uint error)
    {
        if (error != 0)
        {
            Begin();
        }

        MessageHeader header = new()
        {
            Id = command.Id,
            Command = command.Command,
            SizeBytes = (uint)_length,
            Flags = error == 0 ? HeaderFlags.Reply : HeaderFlags.Reply | HeaderFlags.Error,
            Error = error,
        };
        Wire.Write(_bytes, in header);
        return _bytes.AsSpan(0, _length);
    }
}
