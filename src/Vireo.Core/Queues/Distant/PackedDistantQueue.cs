using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues.Distant;

/// <summary>Carries a packed ring.</summary>
internal sealed class PackedDistantQueue : DistantQueue
{
    private const int DescriptorBytes = 16;
    private const int FlagsOffset = 14;
    private const int LengthOffset = 8;

    private readonly ContiguousArea _ring;

    /// <summary>What was read last of the driver's ring and of its wish for calls.</summary>
    private readonly byte[] _ringCopy;

    private readonly byte[] _callCopy = new byte[PackedEvents.LengthBytes];

    /// <summary>Up to where the driver's descriptors have been fetched, and its wrap counter there.</summary>
    private int _nextAvailable;

    private bool _availableWrap;

    /// <summary>Up to where used descriptors have been given back, and the device's wrap counter there.</summary>
    private int _nextUsed;

    private bool _usedWrap;

    /// <summary>How many descriptors were given back since calls were decided on last.</summary>
    private int _moved;

    public PackedDistantQueue(DistantMemory memory, in QueueSetup setup, FeatureSet features, Action<string> lose)
        : base(memory, in setup, features, lose)
    {
        QueueAreas areas = setup.Areas;
        _ring = Locate(RingArea.Descriptors(in areas, MemoryAccess.ReadWrite));
        ContiguousArea driverEvents = Locate(RingArea.DriverEvents(in areas, MemoryAccess.Read));
        _ = Locate(RingArea.DeviceEvents(in areas));
        _ringCopy = new byte[SplitRing.DescriptorBytes(areas.Size)];
        _nextAvailable = setup.State.AvailableIndex % areas.Size;
        _availableWrap = setup.State.AvailableWrap;
        _nextUsed = setup.State.UsedIndex % areas.Size;
        _usedWrap = setup.State.UsedWrap;

        // A ring in which nothing is available, and in which nothing looks used when the device comes to it.
        for (int position = 0; position < areas.Size; position++)
        {
            bool wrap = position >= _nextAvailable ? _availableWrap : !_availableWrap;
            _ring.At<ushort>(position * DescriptorBytes + FlagsOffset) = PackedFlags.Used(!wrap);
        }

        driverEvents.At<uint>(0) = 0;
    }

    /// <inheritdoc/>
    protected override void Look()
    {
        DistantStep step = new(OnRingRead);
        // Kicks are always wanted.
        Access.Write(new(Areas.Device, PackedEvents.LengthBytes), new byte[PackedEvents.LengthBytes], step);
        Access.Read(new(Areas.Descriptors, (uint)_ringCopy.Length), _ringCopy, step);
        step.Close();
    }

    /// <inheritdoc/>
    protected override void Show(List<DistantChain> chains)
    {
        ReadOnlySpan<PackedDescriptor> copy = MemoryMarshal.Cast<byte, PackedDescriptor>(_ringCopy);
        foreach (DistantChain chain in chains)
        {
            for (int count = chain.Descriptors - 1; count >= 0; count--)
            {
                int position = (chain.Position + count) % Areas.Size;
                PackedDescriptor descriptor = copy[position];
                int offset = position * DescriptorBytes;
                _ring.At<Le64>(offset) = descriptor.Address;
                _ring.At<Le32>(offset + LengthOffset) = descriptor.Length;
                _ring.At<Le16>(offset + LengthOffset + sizeof(uint)) = descriptor.Id;
                // Release: the rest of the descriptor, and with the first one the rest of the chain, is complete before its flags.
                Volatile.Write(ref _ring.At<ushort>(offset + FlagsOffset), descriptor.Flags.Value);
            }
        }
    }

    /// <inheritdoc/>
    protected override void TakeTable(DistantChain chain, ReadOnlySpan<byte> table) => chain.TakePackedTable(table);

    /// <inheritdoc/>
    protected override bool GiveBack(DistantStep step)
    {
        bool isAny = false;
        while (true)
        {
            int offset = _nextUsed * DescriptorBytes;
            // Acquire: id and length, and what the device wrote into buffers, are complete before the flags.
            ushort flags = Volatile.Read(ref _ring.At<ushort>(offset + FlagsOffset));
            if (!PackedFlags.IsUsed(flags, _usedWrap))
            {
                return isAny;
            }

            int descriptors = RetireUpTo(_ring.At<Le16>(offset + LengthOffset + sizeof(uint)), step);
            if (descriptors == 0)
            {
                // No chain has that number: the ring was broken, and the device has said so.
                return isAny;
            }

            isAny = true;
            byte[] word = new byte[sizeof(ushort)];
            BinaryPrimitives.WriteUInt16LittleEndian(word, flags);
            GuestAddress address = Areas.Descriptors + (uint)offset;
            Access.Write(new(address + LengthOffset, FlagsOffset - LengthOffset), null, step);
            Access.Write(new(address + FlagsOffset, sizeof(ushort)), word, step);
            _moved += descriptors;
            Advance(ref _nextUsed, ref _usedWrap, descriptors);
        }
    }

    /// <inheritdoc/>
    protected override void AskForCall(DistantStep step) =>
        Access.Read(new(Areas.Driver, PackedEvents.LengthBytes), _callCopy, step);

    /// <inheritdoc/>
    protected override bool WantsCall()
    {
        uint word = BinaryPrimitives.ReadUInt32LittleEndian(_callCopy);
        int moved = Math.Min(_moved, Areas.Size);
        _moved = 0;
        return PackedEvents.IsWanted(word, HasEventIndex, _nextUsed, _usedWrap, moved, Areas.Size);
    }

    /// <summary>Retires the chain that the device names; with IN_ORDER also those before it.</summary>
    /// <returns>How many descriptors they take.</returns>
    private int RetireUpTo(ushort id, DistantStep step)
    {
        int descriptors = 0;
        while (Retire(id) is { } chain)
        {
            GiveBuffers(chain, step);
            descriptors += chain.Descriptors;
            if (chain.Id == id)
            {
                break;
            }
        }

        return descriptors;
    }

    private void OnRingRead(DistantStep step)
    {
        if (!MayGoOn(step))
        {
            return;
        }

        List<DistantChain> chains = [];
        int left = Areas.Size;
        while (left > 0 && TryCollect(left) is { } chain)
        {
            left -= chain.Descriptors;
            Advance(ref _nextAvailable, ref _availableWrap, chain.Descriptors);
            chains.Add(chain);
        }

        if (chains.Count > 0)
        {
            Take(chains);
        }
        else
        {
            Rest();
        }
    }

    /// <summary>Follows the next chain as far as it can be followed; null when none is available.</summary>
    private DistantChain? TryCollect(int descriptorsMax)
    {
        ReadOnlySpan<PackedDescriptor> copy = MemoryMarshal.Cast<byte, PackedDescriptor>(_ringCopy);
        if (!PackedFlags.IsAvailable(copy[_nextAvailable].Flags, _availableWrap))
        {
            return null;
        }

        DistantChain chain = new(0, _nextAvailable);
        bool hasNext = true;
        while (hasNext && chain.Descriptors < descriptorsMax)
        {
            PackedDescriptor descriptor = copy[(_nextAvailable + chain.Descriptors) % copy.Length];
            chain.Descriptors++;
            chain.Id = descriptor.Id;
            chain.Take(descriptor.Address, descriptor.Length, descriptor.Flags);
            hasNext = (descriptor.Flags & DescriptorFlags.Next) != 0;
        }

        return chain;
    }

    private void Advance(ref int position, ref bool wrap, int count)
    {
        position += count;
        if (position >= Areas.Size)
        {
            position -= Areas.Size;
            wrap = !wrap;
        }
    }
}
