using System.Buffers.Binary;

namespace Vireo.Core.Admin;

/// <summary>The bytes that the driver sent with a command; what it did not send reads as zeros (VIRTIO 1.4 §2.13.1).</summary>
internal readonly ref struct AdminData
{
    private readonly ReadOnlySpan<byte> _bytes;

    public AdminData(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>How many bytes the driver sent.</summary>
    public int Length => _bytes.Length;

    /// <summary>Whether nothing but zeros was sent.</summary>
    public bool IsZero => !_bytes.ContainsAnyExcept((byte)0);

    public byte Read8(int offset) => offset < _bytes.Length ? _bytes[offset] : (byte)0;

    public ushort Read16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(Padded(offset, stackalloc byte[2]));

    public uint Read32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Padded(offset, stackalloc byte[4]));

    public ulong Read64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Padded(offset, stackalloc byte[8]));

    /// <summary>The data from an offset on, as far as the driver sent it.</summary>
    public AdminData From(int offset) => new(_bytes[Math.Min(offset, _bytes.Length)..]);

    /// <summary>Bytes that the driver has sent all of.</summary>
    public ReadOnlySpan<byte> Slice(int offset, int length) => _bytes.Slice(offset, length);

    private Span<byte> Padded(int offset, Span<byte> room)
    {
        room.Clear();
        if (offset < _bytes.Length)
        {
            ReadOnlySpan<byte> rest = _bytes[offset..];
            rest[..Math.Min(rest.Length, room.Length)].CopyTo(room);
        }

        return room;
    }
}
