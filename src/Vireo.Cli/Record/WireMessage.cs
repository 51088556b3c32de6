using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Cli.Record;

/// <summary>A message of the vhost-user protocol as it stands on the socket.</summary>
/// <remarks>Owns the descriptors that came with it.</remarks>
internal sealed class WireMessage : IDisposable
{
    /// <summary>Length of the header: request, flags, length of what follows.</summary>
    public const int HeaderBytes = 12;

    private const int FlagsOffset = 4;
    private const int LengthOffset = 8;

    /// <summary>Makes a message.</summary>
    /// <param name="bytes">Header and payload.</param>
    /// <param name="descriptors">The descriptors; become this object's.</param>
    public WireMessage(byte[] bytes, List<SafeFileHandle> descriptors)
    {
        Bytes = bytes;
        Descriptors = descriptors;
    }

    /// <summary>Header and payload.</summary>
    public byte[] Bytes { get; }

    /// <summary>The descriptors that came with it, or go with it.</summary>
    public List<SafeFileHandle> Descriptors { get; }

    /// <summary>Its number.</summary>
    public uint Request => BinaryPrimitives.ReadUInt32LittleEndian(Bytes);

    /// <summary>Its flags.</summary>
    public uint Flags => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(FlagsOffset));

    /// <summary>What follows the header.</summary>
    public ReadOnlySpan<byte> Payload => Bytes.AsSpan(HeaderBytes);

    /// <summary>Puts a message together.</summary>
    public static WireMessage Create(
        uint request,
        uint flags,
        ReadOnlySpan<byte> payload,
        List<SafeFileHandle> descriptors
    )
    {
        byte[] bytes = new byte[HeaderBytes + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, request);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(FlagsOffset), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(LengthOffset), (uint)payload.Length);
        payload.CopyTo(bytes.AsSpan(HeaderBytes));
        return new WireMessage(bytes, descriptors);
    }

    /// <summary>How many bytes follow a header.</summary>
    public static uint PayloadLengthOf(ReadOnlySpan<byte> header) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header[LengthOffset..]);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle descriptor in Descriptors)
        {
            descriptor.Dispose();
        }

        Descriptors.Clear();
    }
}
