using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loopback;

namespace Vireo.Tests.Simulation;

/// <summary>A driver that writes rings by hand: a good request with something wrong in it, or nothing but garbage.</summary>
/// <remarks>
/// EVENT_IDX is negotiated, so that the device itself says at which entry it will look next: a chain counts only when it did.
/// </remarks>
internal sealed class HostileDriver
{
    private const ushort Next = DescriptorFlags.Next;
    private const int DescriptorBytes = 16;
    private const int TableLength = 16;

    private readonly LoopbackHome _home;
    private readonly HostileTarget _target;
    private readonly Random _random;
    private readonly bool _isPacked;
    private readonly QueueAreas _areas;
    private readonly GuestRange _table;
    private readonly List<GuestRange> _pieces = [];

    /// <summary>Where the descriptors of the chain being made were written.</summary>
    private readonly List<GuestAddress> _written = [];

    public HostileDriver(LoopbackHome home, HostileTarget target, Random random)
    {
        _home = home;
        _target = target;
        _random = random;
        _isPacked = home.Features.Contains(CoreFeature.RingPacked);
        _areas = home.Areas(0);
        _table = home.Allocate(TableLength * DescriptorBytes);
        target.Prepare(home);
    }

    /// <summary>How many chains the device looked at.</summary>
    public int Chains { get; private set; }

    /// <summary>How many of them ended its queue.</summary>
    public int Faults { get; private set; }

    /// <summary>Which faults these were.</summary>
    public HashSet<QueueFault> FaultKinds { get; } = [];

    /// <summary>Makes one chain available that is wrong in some way, and sees what the device makes of it.</summary>
    public void Attack()
    {
        uint before = DevicePosition();
        MakeChain(before);
        int mistakes = _random.Next(10) < 7 ? 1 : _random.Next(2, 6);
        for (int count = 0; count < mistakes; count++)
        {
            MakeMistake();
        }

        if (_random.Next(20) == 0)
        {
            Scribble(new(_areas.Descriptors, (uint)(DescriptorBytes * _areas.Size)));
        }

        _home.Kick(0);
        bool isFaulted = _home.FaultOf(0) != QueueFault.None;
        if (isFaulted || DevicePosition() != before)
        {
            Chains++;
        }

        if (isFaulted)
        {
            Faults++;
            FaultKinds.Add(_home.FaultOf(0));
            Recover();
        }
        else if (_random.Next(64) == 0)
        {
            Recover();
        }
    }

    /// <summary>Resets the device, which must then work for a driver that means well.</summary>
    public void Recover()
    {
        bool wasFaulted = _home.FaultOf(0) != QueueFault.None;
        Assert.Equal(wasFaulted, _home.Lifecycle.Status.HasFlag(DeviceStatus.NeedsReset));
        // From here on the driver means well.
        _written.Clear();
        _home.Restart();
        Assert.False(_home.Lifecycle.Status.HasFlag(DeviceStatus.NeedsReset));
        _target.AssertWorks(_home);
    }

    /// <summary>Changes something of the ring, the table or the request while the device may be looking.</summary>
    public void Disturb()
    {
        if (_written.Count > 0 && _random.Next(4) == 0)
        {
            MakeMistake();
        }
    }

    /// <summary>What the device says it will look at next: an index (split), or a position and a wrap counter (packed).</summary>
    private uint DevicePosition() =>
        _isPacked
            ? Read<PackedEventSuppression>(_areas.Device).OffsetAndWrap
            : Read<Le16>(_areas.Device + (4 + 8ul * _areas.Size));

    /// <summary>Writes a good chain where the device will look.</summary>
    private void MakeChain(uint position)
    {
        _pieces.Clear();
        _written.Clear();
        int readable = _target.MakeRequest(_random, _pieces);
        bool isIndirect = _random.Next(3) == 0;
        if (_isPacked)
        {
            MakePackedChain(position, readable, isIndirect);
        }
        else
        {
            MakeSplitChain((ushort)position, readable, isIndirect);
        }
    }

    private void MakeSplitChain(ushort index, int readable, bool isIndirect)
    {
        int head = _random.Next(_areas.Size);
        // Also the mixed kind: descriptors of the ring, then a table with the rest.
        int direct = isIndirect ? _random.Next(_pieces.Count) : _pieces.Count;
        int at = head;
        for (int piece = 0; piece < direct; piece++)
        {
            int next = (at + 1) % _areas.Size;
            bool hasNext = piece + 1 < _pieces.Count;
            PutSplit(RingSlot(at), piece, readable, hasNext, next);
            at = next;
        }

        if (isIndirect)
        {
            for (int piece = direct; piece < _pieces.Count; piece++)
            {
                int entry = piece - direct;
                PutSplit(TableSlot(entry), piece, readable, piece + 1 < _pieces.Count, entry + 1);
            }

            uint length = (uint)((_pieces.Count - direct) * DescriptorBytes);
            Put(
                RingSlot(at),
                new SplitDescriptor
                {
                    Address = _table.Address.Value,
                    Length = length,
                    Flags = DescriptorFlags.Indirect,
                }
            );
        }

        Write<Le16>(_areas.Driver + (4 + 2ul * (uint)(index % _areas.Size)), (ushort)head);
        Write<Le16>(_areas.Driver + 2, unchecked((ushort)(index + 1)));
    }

    private void PutSplit(GuestAddress slot, int piece, int readable, bool hasNext, int next) =>
        Put(
            slot,
            new SplitDescriptor
            {
                Address = _pieces[piece].Address.Value,
                Length = _pieces[piece].LengthBytes,
                Flags = (ushort)((hasNext ? Next : 0) | (piece >= readable ? DescriptorFlags.Write : 0)),
                Next = (ushort)next,
            }
        );

    private void MakePackedChain(uint position, int readable, bool isIndirect)
    {
        int at = (int)(position & 0x7fff);
        bool wrap = position >= 0x8000;
        ushort id = (ushort)_random.Next(_areas.Size);
        if (isIndirect)
        {
            for (int piece = 0; piece < _pieces.Count; piece++)
            {
                PutPacked(TableSlot(piece), piece, id, piece >= readable ? DescriptorFlags.Write : 0);
            }

            Put(
                RingSlot(at % _areas.Size),
                new PackedDescriptor
                {
                    Address = _table.Address.Value,
                    Length = (uint)(_pieces.Count * DescriptorBytes),
                    Id = id,
                    Flags = (ushort)(DescriptorFlags.Indirect | Available(wrap)),
                }
            );
            return;
        }

        for (int piece = 0; piece < _pieces.Count; piece++)
        {
            bool hasNext = piece + 1 < _pieces.Count;
            int flags = Available(wrap) | (hasNext ? Next : 0) | (piece >= readable ? DescriptorFlags.Write : 0);
            PutPacked(RingSlot(at % _areas.Size), piece, id, flags);
            at++;
            if (at == _areas.Size)
            {
                at = 0;
                wrap = !wrap;
            }
        }
    }

    private void PutPacked(GuestAddress slot, int piece, ushort id, int flags) =>
        Put(
            slot,
            new PackedDescriptor
            {
                Address = _pieces[piece].Address.Value,
                Length = _pieces[piece].LengthBytes,
                Id = id,
                Flags = (ushort)flags,
            }
        );

    private static int Available(bool wrap) => wrap ? DescriptorFlags.PackedAvailable : DescriptorFlags.PackedUsed;

    private void MakeMistake()
    {
        GuestAddress descriptor = _written[_random.Next(_written.Count)];
        switch (_random.Next(12))
        {
            case 0 or 1:
                Write<Le64>(descriptor, SomeAddress());
                break;
            case 2 or 3:
                Write<Le32>(descriptor + 8, SomeLength());
                break;
            case 4 or 5:
                // One flag the other way round; in a packed ring availability is left alone mostly.
                int bit = _random.Next(_isPacked && _random.Next(4) != 0 ? 3 : 16);
                ulong flagsAt = _isPacked ? 14u : 12u;
                Write<Le16>(descriptor + flagsAt, (ushort)(Read<Le16>(descriptor + flagsAt) ^ 1 << bit));
                break;
            case 6 or 7:
                // Next (split) or buffer id (packed).
                Write<Le16>(descriptor + (_isPacked ? 12u : 14u), SomeIndex());
                break;
            case 8 when !_isPacked:
                Write<Le16>(_areas.Driver + 2, unchecked((ushort)(Read<Le16>(_areas.Driver + 2) + SomeIndex())));
                break;
            case 9 when !_isPacked:
                Write<Le16>(_areas.Driver + (4 + 2ul * (uint)_random.Next(_areas.Size)), SomeIndex());
                break;
            case 10:
                // When to call: used_event and flags, or the driver's event suppression.
                Write<Le16>(
                    _areas.Driver + (_isPacked ? (ulong)_random.Next(2) * 2 : 4 + 2ul * _areas.Size),
                    SomeIndex()
                );
                break;
            default:
                Scribble(new(descriptor, DescriptorBytes));
                break;
        }
    }

    private ulong SomeAddress() =>
        _random.Next(10) switch
        {
            0 => 0,
            1 => ulong.MaxValue - (ulong)_random.Next(64),
            2 => unchecked((ulong)_random.NextInt64(long.MinValue, long.MaxValue)),
            // Around the borders of memory.
            3 => _table.Address.Value & ~0xffff_fffful,
            4 => (_table.Address.Value & ~0xffff_fffful) - (ulong)_random.Next(1, 64),
            5 => HostileDriverTests.MemoryEnd - (ulong)_random.Next(64),
            // The ring itself: the device writes over what it is reading.
            6 => _areas.Descriptors.Value + (ulong)_random.Next(DescriptorBytes * _areas.Size),
            7 => _areas.Driver.Value + (ulong)_random.Next(2 * _areas.Size),
            8 => _areas.Device.Value + (ulong)_random.Next(8 * _areas.Size),
            _ => _table.Address.Value,
        };

    private uint SomeLength() =>
        _random.Next(7) switch
        {
            0 => 0,
            1 => 1,
            2 => uint.MaxValue,
            3 => 0x8000_0000,
            4 => (uint)_random.Next(),
            5 => (uint)_random.Next(64) * DescriptorBytes,
            _ => (uint)_random.Next(4096),
        };

    private ushort SomeIndex() =>
        (ushort)(
            _random.Next(4) switch
            {
                0 => _random.Next(ushort.MaxValue + 1),
                1 => _areas.Size,
                2 => ushort.MaxValue,
                _ => _random.Next(_areas.Size),
            }
        );

    private void Scribble(GuestRange range) => _random.NextBytes(_home.Bytes(range));

    private GuestAddress RingSlot(int index) => _areas.Descriptors + (ulong)(index * DescriptorBytes);

    private GuestAddress TableSlot(int index) => _table.Address + (ulong)(index * DescriptorBytes);

    private void Put<T>(GuestAddress slot, T descriptor)
        where T : unmanaged
    {
        Write(slot, descriptor);
        _written.Add(slot);
    }

    private void Write<T>(GuestAddress address, T value)
        where T : unmanaged => Wire.Write(_home.Bytes(new(address, (uint)Wire.SizeOf<T>())), in value);

    private T Read<T>(GuestAddress address)
        where T : unmanaged => Wire.Read<T>(_home.Bytes(new(address, (uint)Wire.SizeOf<T>())));
}
