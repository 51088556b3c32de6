using System.Buffers.Binary;

namespace Vireo.Core.Transports.Pci;

/// <summary>The 256 bytes of a type 0 configuration space: values, and which bits a driver may write.</summary>
/// <remarks>Knows layout and masks, not what a write means. One control thread.</remarks>
internal sealed class PciConfigSpace
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 256;

    /// <summary>Offset of the command register.</summary>
    public const int Command = 0x04;

    /// <summary>Offset of the status register.</summary>
    public const int Status = 0x06;

    /// <summary>Offset of base address register 0.</summary>
    public const int FirstBar = 0x10;

    /// <summary>Command: the function answers memory accesses.</summary>
    public const ushort CommandMemory = 1 << 1;

    /// <summary>Command: the function may access memory and send messages.</summary>
    public const ushort CommandMaster = 1 << 2;

    /// <summary>Command: the function may not assert its interrupt line.</summary>
    public const ushort CommandNoInterrupt = 1 << 10;

    /// <summary>Status: the function wants to assert its interrupt line.</summary>
    public const ushort StatusInterrupt = 1 << 3;

    /// <summary>Offset of the first capability's offset.</summary>
    public const int CapabilityPointer = 0x34;

    /// <summary>Status: there is a list of capabilities.</summary>
    public const ushort StatusCapabilities = 1 << 4;

    /// <summary>Command: parity error response and system error enable, which mean nothing here but can be set.</summary>
    private const ushort CommandErrors = 1 << 6 | 1 << 8;

    private const int RevisionAndClass = 0x08;
    private const int CacheLine = 0x0c;
    private const int SubsystemVendor = 0x2c;
    private const int InterruptLine = 0x3c;
    private const int InterruptPin = 0x3d;
    private const int FirstCapability = 0x40;

    private readonly byte[] _values = new byte[LengthBytes];
    private readonly byte[] _writable = new byte[LengthBytes];

    /// <summary>The values after power-on, which a reset brings back.</summary>
    private readonly byte[] _initial = new byte[LengthBytes];

    /// <summary>Where the next capability goes.</summary>
    private int _end = FirstCapability;

    /// <summary>Where the offset of the next capability is to be written.</summary>
    private int _link = CapabilityPointer;

    public PciConfigSpace(ushort vendor, ushort device, byte revision, uint classCode)
    {
        Write16(0, vendor);
        Write16(2, device);
        Write16(Status, StatusCapabilities);
        Write32(RevisionAndClass, classCode << 8 | revision);
        _values[InterruptPin] = 1;
        Allow16(Command, CommandMemory | CommandMaster | CommandNoInterrupt | CommandErrors);
        _writable[CacheLine] = byte.MaxValue;
        _writable[InterruptLine] = byte.MaxValue;
    }

    /// <summary>The whole space, for reading.</summary>
    public ReadOnlySpan<byte> Values => _values;

    /// <summary>How many bytes are left for capabilities.</summary>
    public int RoomForCapabilities => LengthBytes - _end;

    /// <summary>Names the subsystem.</summary>
    public void SetSubsystem(ushort vendor, ushort subsystem)
    {
        Write16(SubsystemVendor, vendor);
        Write16(SubsystemVendor + 2, subsystem);
    }

    /// <summary>Describes a base address register; its lower bits stay 0 so that a driver learns the size.</summary>
    public void SetBar(int index, PciBar bar)
    {
        int offset = FirstBar + index * 4;
        ulong mask = ~(bar.LengthBytes - 1);
        Write32(offset, bar.Is64Bit ? 0b1100u : 0u);
        Allow32(offset, unchecked((uint)mask));
        if (bar.Is64Bit)
        {
            Allow32(offset + 4, (uint)(mask >> 32));
        }
    }

    /// <summary>Appends a capability.</summary>
    /// <param name="id">PCI capability id.</param>
    /// <param name="body">What follows id and link.</param>
    /// <returns>Its offset.</returns>
    public int AddCapability(byte id, ReadOnlySpan<byte> body)
    {
        int offset = _end;
        Invariant.That(2 + body.Length <= RoomForCapabilities);
        _values[_link] = (byte)offset;
        _values[offset] = id;
        body.CopyTo(_values.AsSpan(offset + 2));
        _link = offset + 1;
        _end = (offset + 2 + body.Length + 3) & ~3;
        return offset;
    }

    /// <summary>Lets a driver write bits of an 8-bit register.</summary>
    public void Allow8(int offset, byte mask) => _writable[offset] = mask;

    /// <summary>Lets a driver write bits of a 16-bit register.</summary>
    public void Allow16(int offset, ushort mask) =>
        BinaryPrimitives.WriteUInt16LittleEndian(_writable.AsSpan(offset), mask);

    /// <summary>Lets a driver write bits of a 32-bit register.</summary>
    public void Allow32(int offset, uint mask) =>
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(offset), mask);

    /// <summary>All registers have been set up: what they hold now is what a reset brings back.</summary>
    public void Seal() => _values.CopyTo(_initial, 0);

    /// <summary>Brings the values of power-on back.</summary>
    public void Reset() => _initial.CopyTo(_values, 0);

    /// <summary>A driver writes; bits it may not write stay as they are.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes; the range lies in the space.</param>
    public void WriteMasked(int offset, ReadOnlySpan<byte> source)
    {
        for (int index = 0; index < source.Length; index++)
        {
            int mask = _writable[offset + index];
            int old = _values[offset + index];
            _values[offset + index] = (byte)(old & ~mask | source[index] & mask);
        }
    }

    /// <summary>Reads 16 bits.</summary>
    public ushort Read16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_values.AsSpan(offset));

    /// <summary>Reads 32 bits.</summary>
    public uint Read32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_values.AsSpan(offset));

    /// <summary>The bytes of a register, for the function itself to write.</summary>
    public Span<byte> Slice(int offset, int length) => _values.AsSpan(offset, length);

    /// <summary>Writes 16 bits, whatever a driver may.</summary>
    public void Write16(int offset, ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(_values.AsSpan(offset), value);

    private void Write32(int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(_values.AsSpan(offset), value);
}
