using System.Buffers.Binary;

namespace Vireo.Core.Admin;

/// <summary>The result of a command in the making. A control plane: it may grow, but only as far as the driver has room.</summary>
internal sealed class AdminAnswer
{
    private readonly List<byte> _bytes = [];

    /// <summary>How many bytes of result the driver has room for.</summary>
    public long RoomBytes { get; private set; }

    /// <summary>The result so far.</summary>
    public List<byte> Bytes => _bytes;

    /// <summary>Begins the answer to another command.</summary>
    public void Begin(long roomBytes)
    {
        _bytes.Clear();
        RoomBytes = roomBytes;
    }

    public void Add8(byte value) => _bytes.Add(value);

    public void Add16(ushort value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    public void Add32(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    public void Add64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    public void Add(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);
}
