using System.Buffers.Binary;
using Vireo.Core.Transports.Mmio;

namespace Vireo.Tests.Core.Transports.Mmio;

/// <summary>Reaches registers in this process, and fails when a driver breaks a rule of the specification on the way.</summary>
internal sealed class WatchedRegisters(MmioRegisters registers) : IMmioAccess
{
    private const int ConfigAt = 0x100;
    private const int QueueSelect = 0x30;
    private const int QueueReady = 0x44;
    private const int QueueReset = 0xc0;

    private static readonly int[] Readable =
    [
        0,
        4,
        8,
        0xc,
        0x10,
        0x34,
        0x44,
        0x60,
        0x70,
        0xb0,
        0xb4,
        0xb8,
        0xbc,
        0xc0,
        0xfc,
    ];

    private static readonly int[] Writable =
    [
        0x14,
        0x20,
        0x24,
        0x30,
        0x38,
        0x44,
        0x50,
        0x64,
        0x70,
        0x80,
        0x84,
        0x90,
        0x94,
        0xa0,
        0xa4,
        0xac,
        0xc0,
    ];

    private static readonly int[] OfAQueueAtRest = [0x38, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4];

    private readonly HashSet<uint> _ready = [];
    private uint _queue;

    /// <summary>The register that must be read as 0 before any other of the queue is touched; 0 for none.</summary>
    private int _awaited;

    private int _delay;

    /// <summary>How often the device says that it is not done.</summary>
    public int WaitReads { get; init; }

    /// <summary>What a register reads in place of what it holds.</summary>
    public Dictionary<int, uint> Lies { get; } = [];

    /// <summary>Every access: the register, and what was written, or null for a read.</summary>
    public List<(int Register, uint? Written)> Accesses { get; } = [];

    public void Read(ulong offset, Span<byte> destination)
    {
        int register = (int)offset;
        registers.Read(offset, destination);
        if (register >= ConfigAt)
        {
            Assert.Contains(destination.Length, new[] { 1, 2, 4 });
            Assert.Equal(0, register % destination.Length);
            return;
        }

        Assert.Equal(4, destination.Length);
        Assert.Contains(register, Readable);
        CheckSelected(register, 0x10, 0x14);
        CheckAwaited(register, isWrite: false);
        if (Lies.TryGetValue(register, out uint lie))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination, lie);
        }

        Answer(register, destination);
        Accesses.Add((register, null));
    }

    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        int register = (int)offset;
        if (register >= ConfigAt)
        {
            Assert.Contains(source.Length, new[] { 1, 2, 4 });
            Assert.Equal(0, register % source.Length);
            registers.Write(offset, source);
            return;
        }

        Assert.Equal(4, source.Length);
        Assert.Contains(register, Writable);
        CheckSelected(register, 0x20, 0x24);
        CheckAwaited(register, isWrite: true);
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(source);
        bool isInUse = OfAQueueAtRest.Contains(register) && _ready.Contains(_queue);
        Assert.False(isInUse, $"register 0x{register:x} of queue {_queue} is written while the queue is ready");
        Note(register, value);
        registers.Write(offset, source);
        Accesses.Add((register, value));
    }

    private void CheckSelected(int register, int data, int select) =>
        Assert.True(
            register != data || Accesses.Any(access => access.Register == select && access.Written is not null),
            $"register 0x{data:x} is used before 0x{select:x}"
        );

    private void CheckAwaited(int register, bool isWrite)
    {
        bool isAllowed = _awaited == 0 || register == _awaited && !isWrite || register == QueueSelect;
        Assert.True(isAllowed, $"register 0x{register:x} is touched before 0x{_awaited:x} is 0");
    }

    private void Note(int register, uint value)
    {
        switch (register)
        {
            case QueueSelect:
                _queue = value;
                break;
            case QueueReady when value != 0:
                _ready.Add(_queue);
                break;
            case QueueReady:
            case QueueReset:
                _awaited = register;
                _delay = WaitReads;
                break;
            case 0x70 when value == 0:
                _ready.Clear();
                break;
            default:
                break;
        }
    }

    private void Answer(int register, Span<byte> value)
    {
        if (register != _awaited || _awaited == 0)
        {
            return;
        }

        if (_delay > 0)
        {
            _delay--;
            value[0] = 1;
        }
        else
        {
            _ready.Remove(_queue);
            _awaited = 0;
        }
    }
}
